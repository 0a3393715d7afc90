"""HTTP: requests, responses, proxies and certificates, on aiohttp."""
