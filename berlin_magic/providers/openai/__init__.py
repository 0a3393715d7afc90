"""OpenAI's chat completions, and the services that speak them."""
