"""The settings: traits that `%config BerlinMagics` shows and sets."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics
from traitlets import Bool, Dict, Enum, Float, Integer, Unicode, observe, validate

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.conversations.replay import mode_of
from berlin_magic.credentials.secret import unseen
from berlin_magic.kernel.notebook import Notebook, notebook_of

__all__ = ["Settings"]

_HIDDEN = {"proxy", "headers"}
"""Settings that may hold a password."""


class Settings(Magics):
    """Talk to a language model from a cell. Passwords and tokens are no settings: they come from the environment."""

    provider = Unicode(
        "", help="Provider to ask: berlin, openai, ollama, … (%berlin providers). Empty: BERLIN_PROVIDER, else Berlin."
    ).tag(config=True)
    url = Unicode("", help="Address of the provider's server. Empty: BERLIN_URL, else the embedded server.").tag(
        config=True
    )
    account = Unicode("", help="Account on that server. Empty: BERLIN_ACCOUNT. The password is BERLIN_PASSWORD.").tag(
        config=True
    )
    model = Unicode("", help="Model to ask, or PROVIDER:MODEL. Empty: BERLIN_MODEL, else the server's usual one.").tag(
        config=True
    )
    system = Unicode("", help="System prompt of the notebook's conversation.").tag(config=True)
    temperature = Float(None, allow_none=True, help="Sampling temperature. None: the provider's own.").tag(config=True)
    max_tokens = Integer(None, allow_none=True, min=1, help="Longest reply, in tokens. None: the provider's own.").tag(
        config=True
    )
    silence = Float(
        None,
        allow_none=True,
        min=0.1,
        help="Seconds without a byte from the server after which a reply is cut. None: the provider's own.",
    ).tag(config=True)
    retries = Integer(
        None,
        allow_none=True,
        min=0,
        help="How often a busy server is asked again at most. 0: never. None: the provider's own.",
    ).tag(config=True)
    reply_limit = Integer(
        None, allow_none=True, min=0, help="Most bytes that a reply may have. 0: no limit. None: the provider's own."
    ).tag(config=True)
    proxy = Unicode("", help="HTTP proxy for every request. Empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY.").tag(
        config=True
    )
    headers = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Further headers for an OpenAI-compatible provider, by name. They are sent to `provider`, else to OpenAI.",
    ).tag(config=True)

    context_limit = Integer(
        None, allow_none=True, min=1, help="Most tokens to send with a question, as an estimate. None: no limit."
    ).tag(config=True)
    replay = Enum(
        ["off", "auto", "only"],
        "off",
        help="auto: where a request is unchanged, give its stored reply. only: and where it is not, fail.",
    ).tag(config=True)
    context = Enum(
        ["client", "server"],
        "client",
        help="server: a Berlin server keeps the context, and only the newest message is sent to it.",
    ).tag(config=True)
    history = Bool(default_value=True, help="Store conversations on disk, in a database of the user's own.").tag(
        config=True
    )
    database = Unicode("", help="File to store them in. Empty: BERLIN_DATABASE, else the user's data folder.").tag(
        config=True
    )
    _ready = False

    def __init__(self, shell: Any = None, **traits: Any) -> None:
        super().__init__(shell, **traits)
        _hide_in(self.config)
        if shell is not None:  # without one it only serves to try a configuration
            self.model = self.model or self.notebook.model  # what `%berlin use` has said outlives a reload
            self.system = self.system or self.notebook.system
            self._apply(None)
            self._ready = True

    def update_config(self, config: Any) -> None:
        """Take what `%config` sets; traitlets keeps it a second time, as it was given."""
        _hide_in(config)
        super().update_config(config)

    @property
    def notebook(self) -> Notebook:
        """The notebook."""
        return notebook_of(self.shell)

    @property
    def conversation(self) -> Conversation:
        """The notebook's usual conversation."""
        return self.notebook.conversation()

    @validate(*_HIDDEN)
    def _hide(self, proposal: Any) -> Any:
        """Keep what may be a password from `%config` and every other place that shows settings."""
        return unseen(proposal.trait.name, proposal.value)

    @observe(
        "provider",
        "url",
        "account",
        "model",
        "system",
        "silence",
        "retries",
        "reply_limit",
        "proxy",
        "headers",
        "context_limit",
        "replay",
        "context",
        "history",
        "database",
    )
    def _apply(self, change: Any) -> None:
        """Let the notebook know the settings, so that code which asks a conversation directly has the same."""
        if self.shell is None:
            return
        book = self.notebook
        book.model, book.system, book.context_limit, book.replay = (
            self.model,
            self.system,
            self.context_limit,
            mode_of(self.replay),
        )
        book.context = "server" if self.context == "server" else "client"
        book.history, book.database = self.history, self.database
        book.connection = {
            "provider": self.provider,
            "url": self.url,
            "account": self.account,
            "silence": self.silence,
            "retries": self.retries,
            "reply_limit": self.reply_limit,
            "proxy": self.proxy,
            "headers": self.headers,
        }
        book.apply()
        if self._ready and change is not None and change.name == "system":
            self.conversation.system = self.system


def _hide_in(config: Any) -> None:
    section = config.get("BerlinMagics", {})
    for name in _HIDDEN & section.keys():
        section[name] = unseen(name, section[name])
