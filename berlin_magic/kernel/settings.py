"""The settings that `%config BerlinMagics` shows and sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics
from traitlets import Bool, Dict, Enum, Float, Integer, TraitError, Unicode, observe, validate

from berlin_magic.credentials.secret import unseen
from berlin_magic.kernel.notebook import Notebook, notebook_of
from berlin_magic.results.budget import Budget
from berlin_magic.results.prices import read_table

if TYPE_CHECKING:
    from berlin_magic.results.conversation import Conversation

__all__ = ["Settings"]

_CONNECTION = (
    "provider",
    "url",
    "account",
    "silence",
    "retries",
    "reply_limit",
    "proxy",
    "headers",
    "local_threads",
    "local_context",
    "local_gpu_layers",
    "local_idle",
)
"""Settings that say which server is asked, and how."""

_CONVERSATION = ("model", "system", "context_limit", "data", "replay", "context", "history", "database")
"""Settings of the notebook's conversations."""

_HIDDEN = {"proxy", "headers"}
"""Settings that may hold a password."""


class Settings(Magics):
    """Talk to a language model from a cell. Passwords and tokens are no settings: they come from the environment."""

    provider = Unicode(
        "",
        help="""Name of the provider to ask: berlin, openai, ollama, … `%berlin providers` lists them.

        Empty: BERLIN_PROVIDER from the environment, else berlin. A model that is written PROVIDER:MODEL names its own.
        """,
    ).tag(config=True)
    url = Unicode(
        "",
        help="""Address of the provider's server, such as https://berlin.example.org.

        Empty: BERLIN_URL from the environment, else the server that is embedded in this package.
        """,
    ).tag(config=True)
    account = Unicode(
        "",
        help="""Account on that server.

        Empty: BERLIN_ACCOUNT from the environment, else the one that `%berlin login` has stored. The password is
        BERLIN_PASSWORD, or stored by `%berlin login`.
        """,
    ).tag(config=True)
    model = Unicode(
        "",
        help="""Model to ask, such as llama3.2, or PROVIDER:MODEL, such as ollama:llama3.2.

        Empty: BERLIN_MODEL from the environment, else the usual one of the server. `%berlin use` sets it, and
        `%%berlin -m` takes its place for one question.
        """,
    ).tag(config=True)
    system = Unicode(
        "",
        help="""System prompt of the notebook's conversation; empty for none. `%berlin system` sets it for one.""",
    ).tag(config=True)
    temperature = Float(
        None,
        allow_none=True,
        help="""Sampling temperature: higher is more random. None: the provider's default.""",
    ).tag(config=True)
    max_tokens = Integer(
        None,
        allow_none=True,
        min=1,
        help="""Length in tokens at which a reply ends, from 1 on. None: the provider's default.""",
    ).tag(config=True)
    silence = Float(
        None,
        allow_none=True,
        min=0.1,
        help="""Seconds, from 0.1 on, after which a reply ends as incomplete if the server has sent nothing.

        None: the provider's default.
        """,
    ).tag(config=True)
    retries = Integer(
        None,
        allow_none=True,
        min=0,
        help="""How often a question is sent again at most, if the server is busy. 0: never.

        None: the provider's default.
        """,
    ).tag(config=True)
    reply_limit = Integer(
        None,
        allow_none=True,
        min=0,
        help="""Size in bytes that a reply may have at most; a longer one is cut. 0: no limit.

        None: the provider's default.
        """,
    ).tag(config=True)
    proxy = Unicode(
        "",
        help="""Address of the HTTP proxy for every request, such as http://proxy.example.org:3128.

        Empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY from the environment. Its password is not shown.
        """,
    ).tag(config=True)
    headers = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="""HTTP headers to send to an OpenAI-compatible server, by their names.

        They go to the server of `provider`; if that is empty, to OpenAI. Their values are not shown.
        """,
    ).tag(config=True)

    local_threads = Integer(
        None,
        allow_none=True,
        min=1,
        help="""Processor threads of a local model, from when it is loaded. None: half of the machine's, 8 at most.""",
    ).tag(config=True)
    local_context = Integer(
        None,
        allow_none=True,
        min=1,
        help="""Tokens that a local model can read and write at once, from when it is loaded.

        None: what it was made for, 8192 at most.
        """,
    ).tag(config=True)
    local_gpu_layers = Integer(
        None,
        allow_none=True,
        min=0,
        help="""Layers of a local model that the GPU takes, from when it is loaded. None: as many as fit.""",
    ).tag(config=True)
    local_idle = Float(
        None,
        allow_none=True,
        min=1,
        help="""Seconds without a question after which a local model is unloaded. None: 600.""",
    ).tag(config=True)

    context_limit = Integer(
        None,
        allow_none=True,
        min=1,
        help="""Most tokens that are sent with a question, estimated from characters.

        The oldest turns are left out if they do not fit; the status line says how many. None: no limit.
        """,
    ).tag(config=True)
    replay = Enum(
        ["off", "auto", "only"],
        "off",
        help="""Whether a stored reply is given in place of a new one.

        off: every question is sent. auto: if the same request was answered before, its stored reply is given. only:
        the same, and nothing is ever sent: a question without a stored reply is an error.
        """,
    ).tag(config=True)
    context = Enum(
        ["client", "server"],
        "client",
        help="""Who keeps the context of a question.

        client: the whole conversation is sent with each question. server: a Berlin server keeps it, and only the
        newest message is sent.
        """,
    ).tag(config=True)
    history = Bool(
        default_value=True,
        help="""Whether conversations are stored on disk, in a database in the user's data folder.""",
    ).tag(config=True)
    database = Unicode(
        "",
        help="""File of the database that conversations are stored in.

        Empty: BERLIN_DATABASE from the environment, else conversations.db in the user's data folder.
        """,
    ).tag(config=True)
    budget = Unicode(
        "",
        help="""What may be spent, such as 2.00 USD/day or 100000 tokens/notebook; empty for no limit.

        A request that would break it is not sent. For each running request its prompt and max_tokens are reserved.
        """,
    ).tag(config=True)
    prices = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="""Prices of models, such as {"mistral-large": "2.00 6.00 EUR"}: prompt and reply, per million tokens.

        A model may be written NAME:MODEL, with its provider. They come before those of `pip install genai-prices`.
        """,
    ).tag(config=True)
    data = Enum(
        ["full", "sample", "schema"],
        "full",
        help="""Most of any value that may leave the machine in a prompt.

        full: as much as the prompt asks for. sample: a few rows or items. schema: columns, types, shapes and counts
        only; texts, numbers, images and error messages stay here.
        """,
    ).tag(config=True)
    describe_text = Integer(
        4000, min=100, help="""Most characters of a value in a prompt, if no level is named; the middle is cut."""
    ).tag(config=True)
    describe_rows = Integer(8, min=1, help="""Most rows of a table in a prompt, if no level is named.""").tag(
        config=True
    )
    check_seconds = Float(
        10.0,
        min=0.1,
        help="""Seconds that `--check` gives the code of a reply and its check, from 0.1 on.""",
    ).tag(config=True)
    check_memory = Integer(
        1000,
        min=100,
        help="""Memory in MB that the code of a reply may use in a check, from 100 on.""",
    ).tag(config=True)
    check_rounds = Integer(
        2,
        min=0,
        help="""How often a model may correct code that has failed its check, if `--rounds` does not say.""",
    ).tag(config=True)
    _ready = False

    def __init__(self, shell: Any = None, **traits: Any) -> None:
        super().__init__(shell, **traits)
        _hide_in(self.config)
        if shell is not None:  # without a shell it only checks a configuration
            self.model = self.model or self.notebook.model  # the model of `%berlin use` survives a reload
            self.system = self.system or self.notebook.system
            self._apply(None)
            self._ready = True

    def update_config(self, config: Any) -> None:
        """Update the configuration from `%config`; traitlets would keep a password in it as it was given."""
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
        """Hide a value that may be a password, as `%config` and others show settings."""
        return unseen(proposal.trait.name, proposal.value)

    @validate("budget", "prices")
    def _readable(self, proposal: Any) -> Any:
        try:
            if proposal.trait.name == "prices":
                read_table(proposal.value)
            elif proposal.value:
                Budget.parse(proposal.value)
        except ValueError as error:
            raise TraitError(str(error)) from None
        return proposal.value

    @observe(*_CONNECTION, *_CONVERSATION, "budget", "prices")
    def _apply(self, change: Any) -> None:
        """Copy the settings to the notebook: code that asks a conversation directly has the same ones."""
        if self.shell is None:
            return
        notebook = self.notebook
        for name in _CONVERSATION:
            setattr(notebook, name, getattr(self, name))
        notebook.connection = {name: getattr(self, name) for name in _CONNECTION}
        notebook.costs.budget = Budget.parse(self.budget) if self.budget else None
        notebook.costs.prices = read_table(self.prices)
        notebook.apply()
        if self._ready and change is not None and change.name == "system":
            self.conversation.system = self.system


def _hide_in(config: Any) -> None:
    section = config.get("BerlinMagics", {})
    for name in _HIDDEN & section.keys():
        section[name] = unseen(name, section[name])
