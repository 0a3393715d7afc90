"""The languages whose code gets colours.

They are described as far as a reader notices: comments, strings, numbers, keywords, the names of what is defined.
A rule of `Grammar` holds for each regular expression here: what comes after a repetition without an upper bound
cannot fail.
"""

from __future__ import annotations

from berlin_magic.display.markdown.grammar import Grammar, Rule, until

__all__ = ["GRAMMARS"]

# A language is a paragraph, not a column of arguments.
# fmt: off

# -- what several languages share ----------------------------------------------------------------------------------

_CHARACTER: Rule = ("s", r"'(?:\\[^\n']{1,9}|\\'|[^\\'\n])'")  # where a lone apostrophe means something else
_ANNOTATION: Rule = ("nd", r"@[^\W\d][\w.]*")
_DIRECTIVE: Rule = ("cp", r"^[ \t]{0,40}#[ \t]{0,9}[a-z]+(?:[^\n/\\]+|\\[\s\S]|/(?![/*]))*")
_VALUE_FOLLOWS = r"(?:(?<=[(=,:\[!&|?{};~])|(?<=[(=,:\[!&|?{};~] )|^)"
_PATTERN: Rule = (  # a regular expression of the language itself
    "s",
    _VALUE_FOLLOWS + r"/(?![*/ ])(?:[^/\\\n\[]+|\\.|\[(?:[^\]\\\n]+|\\.)*\]?)*/?[a-z]{0,9}",
)
_DOLLAR = r"\$?[^\W\d]\w*"
_DASHED = r"[^\W\d][\w-]*"
_SHELL_COMMENT: Rule = ("c", r"(?<!\S)#[^\n]*")


def _document(begin: str) -> Rule:
    """Return the rule of a "here document": all lines up to one that repeats the word at the beginning."""
    line = r"\n(?![ \t]{0,40}(?P=end)\b)[^\n]*"
    return "s", rf"(?<!\w){begin}[\"']?(?P<end>[A-Z_a-z]\w{{0,39}})\b[^\n]*(?:{line})*"


_C_WORDS = """
    auto break case char const continue default do double else extern float for goto if inline int long register
    restrict return short signed sizeof static switch typedef unsigned void volatile bool true false NULL _Bool
    _Static_assert size_t ssize_t ptrdiff_t int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t
"""
_CPP_WORDS = f"""
    {_C_WORDS} alignas alignof and asm catch char8_t char16_t char32_t co_await co_return co_yield concept consteval
    constexpr constinit const_cast decltype delete dynamic_cast explicit export final friend import module mutable
    namespace new noexcept not nullptr operator or override private protected public reinterpret_cast requires
    static_assert static_cast template this thread_local throw try typeid typename using virtual wchar_t
"""
_RAW_CPP: Rule = (
    "s",
    r"(?:u8|[uUL])?R\"(?P<end>[^()\\\s\"]{0,16})\((?:[^)]+|\)(?!(?P=end)\"))*(?:\)(?P=end)\")?",
)
_JS_WORDS = """
    as async await break case catch const continue debugger default delete do else export extends false finally for
    from get if import in instanceof let new null of return set static super switch this throw true try typeof
    undefined var void while with yield NaN Infinity
"""
_TS_WORDS = f"""
    {_JS_WORDS} abstract any asserts bigint boolean declare implements infer is keyof never number object out override
    private protected public readonly satisfies string symbol unique unknown
"""
_JS_BUILTINS = """
    Array BigInt Boolean Date Error Function Intl JSON Map Math Number Object Promise Proxy Reflect RegExp Set String
    Symbol TypeError WeakMap WeakSet console decodeURIComponent document encodeURIComponent fetch globalThis isFinite
    isNaN module parseFloat parseInt process require setInterval setTimeout clearInterval clearTimeout window
"""
_ELEMENT: Rule = ("nt", r"(?<![\w)\]])</?(?:[a-z][\w.:-]{0,60}|[A-Z][\w.:-]{0,60}(?=[\s/>]))?>?")


def _javascript(words: str, classes: str, *rules: Rule) -> Grammar:
    return Grammar(
        *rules, _PATTERN, _ANNOTATION, comments="//", blocks="/* */", texts="`", strings="\" '", names=r"[$\w]+",
        keywords=words, builtins=_JS_BUILTINS, functions="function", classes=classes,
    )


_PYTHON_WORDS = """
    False None True and as assert async await break continue del elif else except finally for from global if import in
    is lambda nonlocal not or pass raise return try while with yield
"""
_PYTHON_BUILTINS = """
    ArithmeticError AssertionError AttributeError BaseException ConnectionError Ellipsis Exception FileExistsError
    FileNotFoundError ImportError IndexError KeyError KeyboardInterrupt LookupError MemoryError ModuleNotFoundError
    NameError NotImplemented NotImplementedError OSError OverflowError PermissionError RecursionError RuntimeError
    StopAsyncIteration StopIteration SyntaxError SystemExit TimeoutError TypeError UnicodeDecodeError UnicodeEncodeError
    UserWarning ValueError Warning ZeroDivisionError __import__ __name__ abs aiter all anext any ascii bin bool
    breakpoint bytearray bytes callable chr classmethod cls compile complex delattr dict dir divmod enumerate eval exec
    filter float format frozenset getattr globals hasattr hash help hex id input int isinstance issubclass iter len list
    locals map max memoryview min next object oct open ord pow print property range repr reversed round set setattr
    self slice sorted staticmethod str sum super tuple type vars zip
"""
_PYTHON_RULES: tuple[Rule, ...] = (
    ("nd", r"^[ \t]{0,99}@[^\W\d][\w.]*"),
    ("k", r"^[ \t]{0,99}(?:match|case|type)\b(?= [\w\"'(\[{*-])(?! (?:and|as|else|for|if|in|is|not|or)\b)"),
)


def _python(*rules: Rule, keywords: str = "", functions: str = "def") -> Grammar:
    return Grammar(
        *rules, *_PYTHON_RULES, comments="#", texts="\"\"\" '''", strings="\" '", prefix="(?:[bfrtuBFRTU]{1,2})?",
        keywords=f"{_PYTHON_WORDS} {keywords}", builtins=_PYTHON_BUILTINS, functions=functions, classes="class",
    )


_PYTHON = _python()
_PYTHON_LINE: Rule = (_PYTHON, r"(?<=^>>> )[^\n]+|(?<=^\.\.\. )[^\n]+")
_LUA_LONG = r"\[(?P<{0}>={{0,9}})\[(?:[^\]]+|\](?!(?P={0})\]))*(?:\](?P={0})\])?"
_ML_WORDS = """
    and as assert begin class constraint do done downto else end exception external false for fun function functor if
    in include inherit initializer lazy match method mod module mutable new nonrec object of open or private raise rec
    sig struct then to true try val virtual when while with
"""
_LISP_NAME = r"[^\W\d()\[\]{}'\"`,;#][\w*+!?<>=/.:%&$-]*|[*+!?<>=/&$-][\w*+!?<>=/.:%&$-]*"
_SQL_WORDS = """
    add all alter always analyze and any as asc auto_increment autoincrement before begin between by cascade case cast
    check collate column commit conflict constraint create cross current current_date current_timestamp database
    declare default deferrable delete desc describe distinct do drop each else elsif end except exception exec execute
    exists explain false fetch filter first following for foreign from full function generated grant group having if
    ignore ilike in index inner insert instead intersect interval into is isolation join key language last lateral left
    level like limit loop materialized natural not nothing null nulls of offset on only or order outer over partition
    plpgsql pragma preceding primary procedure raise range read recursive references release replace restrict return
    returning returns revoke right rollback row rows savepoint schema select session set show similar some start table
    temp temporary then to transaction trigger true truncate unbounded union unique update use using vacuum values view
    when where while window with without
"""
_SQL_TYPES = """
    abs array_agg avg bigint bigserial binary blob bool boolean bytea char char_length character clob coalesce concat
    count date date_trunc datetime decimal dense_rank double enum extract first_value float greatest group_concat
    ifnull int integer json json_agg jsonb lag last_value lead least length lower max min money ntile now nullif numeric
    nvarchar nvl precision rank real replace round row_number serial smallint string string_agg substr substring sum
    text time timestamp timestamptz tinyint to_char trim upper uuid varchar varying year
"""


def _sql(*rules: Rule, comments: str = "--", names: str = r"[@:$]{0,2}[^\W\d]\w*") -> Grammar:
    return Grammar(
        *rules, ("", '"' + until('"')), ("", "`" + until("`")), comments=comments, blocks="/* */", raw="'",
        keywords=_SQL_WORDS, builtins=_SQL_TYPES, names=names, fold=True,
    )


_SHELL_WORDS = """
    case coproc do done elif else esac fi for function if in local readonly return select then time until while break
    continue declare export unset shift typeset
"""
_SHELL_BUILTINS = """
    alias apt awk bg brew cat cd chmod chown conda cp curl cut docker echo eval exec exit false fg find git grep head
    jobs jupyter kill kubectl let ln ls make mkdir mv npm pip popd printf ps pushd pwd python python3 read rm rmdir sed
    set sleep sort source ssh sudo systemctl tail tar tee test touch tr trap true uniq uv wait wc wget which xargs
"""
_SHELL = Grammar(
    _SHELL_COMMENT, ("nf", r"^[ \t]{0,40}[A-Za-z_][\w-]{0,60}(?=\(\))"), _document("<<-?"),
    ("", r"\$(?:\{#?\w*|\w+|[#?!@*$-])"), ("", r"\\[\s\S]"), texts='"', raw="'", names=r"-{0,2}[^\W\d][\w-]*",
    keywords=_SHELL_WORDS, builtins=_SHELL_BUILTINS,
)


_TAG = Grammar(
    ("nt", r"\A<[/?]?[^\W\d][\w:.-]*|[/?]?>\Z"), ("na", r"[@:#*.\[(]{0,2}[^\W\d][\w:.@\[\])-]*"),
    ("s", '"' + until('"', lines=True)), ("s", "'" + until("'", lines=True)), ("s", r"\{" + until("}", lines=True)),
    names=r"\w+",
)
_TAG_END = r"(?:[^<>\"'{]+|\"[^\"]*\"?|'[^']*'?|\{[^}]*\}?)*>?"
_DOCTYPE: Rule = ("cp", r"<!(?=[A-Za-z\[])[^>]*>?|<\?[^>]*>?")
_ENTITY: Rule = ("nb", r"&#?\w{1,32};")
_SCRIPT = _javascript(_JS_WORDS, "class", (_TAG, rf"\A<script{_TAG_END}"))


def _css(*rules: Rule, comments: str = "") -> Grammar:
    return Grammar(
        *rules, ("k", r"@[a-zA-Z-]+"), ("nb", r"--[\w-]+|\$[\w-]+"),
        ("na", r"(?<![\w.#:&-])[a-z-]{1,40}(?=[ \t]{0,9}:(?![\w:-]{1,40}[^;{}\n]{0,80}\{))"),
        ("nc", r"\.[A-Za-z_-][\w-]*"),
        ("m", r"#[0-9a-fA-F]{3,8}\b|[-+]?(?:[0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:%|[a-zA-Z]{1,10})?"),
        ("nd", r"::?[a-z-]+"), ("nf", r"#[A-Za-z_-][\w-]*"), blocks="/* */", strings="\" '", comments=comments,
        names=r"[^\W\d][\w-]*", keywords="!important important and not only from to",
        builtins="rgb rgba hsl hsla var calc min max clamp url linear-gradient repeat minmax translate rotate scale",
    )


_STYLE = _css((_TAG, rf"\A<style{_TAG_END}"))


def _element(name: str) -> str:
    return rf"(?i:<{name}\b{_TAG_END}(?:[^<]+|<(?!/{name}))*)"


_EXPRESSION: Rule = ("nb", r"\{\{" + until("}}", lines=True) + r"|\{%" + until("%}", lines=True))
_MARKUP: tuple[Rule, ...] = (
    ("c", "<!--" + until("-->", lines=True)), ("s", r"<!\[CDATA\[" + until("]]>", lines=True)), _DOCTYPE,
    (_SCRIPT, _element("script")), (_STYLE, _element("style")), (_TAG, rf"</?[^\W\d][\w:.-]*{_TAG_END}"), _ENTITY,
    ("", r"[^<&{]+"),
)

_BY_NAMES = {
    "awk d gherkin nginx nim nix prolog solidity tcl vim zig": Grammar(
        ("c", r"(?<![:\w])//[^\n]*"), _SHELL_COMMENT, _ANNOTATION, blocks="/* */", strings="\" '", names=_DOLLAR,
        keywords="""
            and as async await bool break case catch char class const continue default do elif else elseif end enum
            export extern false final finally float fn for foreach func function if import in int interface is let long
            match mod module new nil not null or package private proc public return self static string struct switch
            then this throw true try type unless until use using var void when while with yield
        """,
    ),
    "bash fish sh shell zsh": _SHELL,
    "bat batch cmd": Grammar(
        ("c", r"^[ \t]{0,40}@?(?:rem\b|::)[^\n]*"), ("nf", r"^[ \t]{0,40}:[^\W\d]\w*"), ("", r"%~?\w+%?|%%~?[a-z]+"),
        strings='"', fold=True,
        keywords="""
            call cd chdir defined do echo else equ errorlevel exist exit for geq goto gtr if in leq lss neq not pause
            setlocal endlocal shift nul off on
        """,
        builtins="""
            cls copy del dir erase findstr md mkdir move path ping popd pushd python rd ren rename rmdir set start title
            type xcopy
        """,
    ),
    "c glsl": Grammar(
        _DIRECTIVE, comments="//", blocks="/* */", strings="\" '", prefix="(?:u8|[uUL])?", keywords=_C_WORDS,
        classes="struct union enum",
    ),
    "c# cs csharp": Grammar(
        _DIRECTIVE, ("s", r"(?:@\$?|\$@)\"" + until('"', lines=True)), comments="//", blocks="/* */", texts='"""',
        strings="\" '", prefix=r"\$?",
        keywords="""
            abstract add as async await base bool break byte case catch char checked const continue decimal default
            delegate do double dynamic else event explicit extern false finally fixed float for foreach from get global
            goto if implicit in init int internal is join let lock long namespace new nint null object operator orderby
            out override params partial private protected public readonly ref remove required return sbyte sealed select
            set short sizeof stackalloc static string switch this throw true try typeof uint ulong unchecked unsafe
            ushort using value var virtual void volatile when where while with yield
        """,
        classes="class interface enum struct record",
    ),
    "c++ cpp cuda": Grammar(
        _RAW_CPP, _DIRECTIVE, ("m", r"[0-9][\w']*(?:\.[0-9][\w']*)?(?:(?<=[eE])[-+][0-9]+)?"), comments="//",
        blocks="/* */", strings="\" '", prefix="(?:u8|[uUL])?", keywords=_CPP_WORDS, classes="struct union enum class",
    ),
    "cfg ini": Grammar(
        ("gh", r"^[ \t]{0,40}\[[^\]\n]*\]?"), ("c", r"(?:^|(?<=\s))[#;][^\n]*"),
        ("na", r"^[ \t]{0,40}[^\W\d](?:[\w. /-]{0,78}[\w.-])?(?=[ \t]{0,20}[=:])"), strings='"',
        keywords="true false yes no on off True False",
    ),
    "clj clojure": Grammar(
        ("s", r"(?<![\w)]):[\w*+!?<>=/.-]+"), ("s", r"\\(?:newline|space|tab|u[0-9a-fA-F]{4}|\S)"), ("cp", r"\^[\w:]+"),
        comments=";", texts='"', prefix="#?", names=_LISP_NAME,
        keywords="""
            -> ->> and as-> binding case catch comment cond cond-> do doseq dotimes false finally fn for if if-let
            if-not import in-ns let letfn loop monitor-enter new nil ns or quote recur refer require set! some-> throw
            true try use var when when-let when-not while
        """,
        builtins="""
            apply assoc assoc-in atom concat conj cons contains? count dec deref dissoc empty? filter first get get-in
            identity inc into keys last map mapv merge nil? not nth partition pr println range reduce reset! rest seq
            sort str swap! take update vals vec
        """,
        functions="def defn defn- defmacro defmulti defmethod defonce", classes="defprotocol defrecord deftype",
    ),
    "cmake": Grammar(
        ("nb", r"\$(?:ENV)?\{[^}\n]*\}?"), blocks="#[[ ]]", comments="#", texts='"', fold=True, names=_DASHED,
        keywords="""
            add_compile_options add_custom_command add_custom_target add_definitions add_dependencies add_executable
            add_library add_subdirectory add_test cmake_minimum_required configure_file else elseif endforeach
            endfunction endif endmacro endwhile file find_library find_package find_path find_program foreach
            get_property if include include_directories install link_directories link_libraries list message option
            project return set set_property set_target_properties string target_compile_definitions
            target_compile_features target_compile_options target_include_directories target_link_libraries
            target_sources while
        """,
        builtins="""
            and cxx defined exists false imported interface matches not off on or private public required shared static
            strequal true version
        """,
        functions="function macro",
    ),
    "console": Grammar(
        ("gp", r"^(?:\([\w .-]{1,40}\) )?(?:\[[^\[\]\n]{1,80}\]|[\w.@-]{1,80}(?::[^\s$#%>]{0,80})?)? ?[$#%>](?= )"),
        (_SHELL, r"(?<=[$#%>]) [^\n]+"), ("", r"^[^\n]+"),
    ),
    "css": _css(),
    "cython pyx": _python(
        keywords="cimport const double enum extern float int long nogil gil public readonly short struct unsigned void",
        functions="def cdef cpdef",
    ),
    "dart": Grammar(
        _ANNOTATION, comments="//", blocks="/* */", texts="\"\"\" '''", strings="\" '", prefix="r?",
        keywords="""
            abstract as assert async await base bool break case catch const continue covariant default deferred do
            double dynamic else export extends external factory false final finally for get hide if implements import in
            int interface is late library new null num of on operator part required rethrow return sealed set show
            static super switch sync this throw true try var void when while with yield String List Map Set Future
            Stream Object
        """,
        builtins="print", classes="class enum extension mixin typedef",
    ),
    "diff patch": Grammar(
        ("gh", r"^(?:diff |index |@@|--- |\+\+\+ |\*\*\*|Index:|=====)[^\n]*"), ("gd", r"^[-<][^\n]*"),
        ("gi", r"^[+>][^\n]*"), ("", r"^[^\n]+"),
    ),
    "docker dockerfile": Grammar(
        ("k", r"^[A-Z]{3,11}(?= )"), _SHELL_COMMENT, _document("<<-?"), ("", r"\$(?:\{\w*|\w+)"), texts='"', raw="'",
        names=r"-{0,2}[^\W\d][\w-]*", keywords="AS as", builtins=_SHELL_BUILTINS,
    ),
    "elixir ex": Grammar(
        ("nd", r"@[^\W\d]\w*"), ("s", r"(?<![\w:]):[^\W\d]\w*[?!]?"),
        ("s", r"~[a-zA-Z]/(?:[^/\\\n]+|\\.)*/?[a-z]{0,9}"),
        comments="#", texts="\"\"\" ''' \" '", names=r"[^\W\d]\w*[?!]?", keys="",
        keywords="""
            after alias and case catch cond defdelegate defexception defguard defoverridable defstruct do else end false
            fn for if import in nil not or quote raise receive require rescue super then throw true try unless unquote
            use when with
        """,
        builtins="""
            Agent Enum GenServer IO Kernel List Map Process String Task inspect is_atom is_binary is_list is_map length
            self send spawn
        """,
        functions="def defp defmacro defmacrop", classes="defmodule defprotocol defimpl",
    ),
    "elm haskell hs": Grammar(
        _CHARACTER, ("cp", r"\{-#" + until("#-}", lines=True)), ("nf", r"^[^\W\dA-Z][\w']{0,80}(?=[ \t]{0,9}::)"),
        blocks="{- -}", comments="--", strings='"', names=r"[^\W\d][\w']*",
        keywords="""
            as case class data default deriving do else family forall foreign hiding if import in infix infixl infixr
            instance let mdo module newtype of proc qualified rec then type where
        """,
        builtins="""
            Bool Char Double Either False Float IO Int Integer Just Left Maybe Monad Functor Applicative Nothing Ord Eq
            Show Right String True concat concatMap filter foldl foldr fmap fst head length map mapM_ null otherwise
            print putStrLn return reverse show snd sum tail zip zipWith
        """,
    ),
    "erlang": Grammar(
        ("s", r"\$(?:\\.|[^\\\s])"), ("cp", r"^-[a-z_]{1,30}(?=[ (.])"), ("nf", r"^[a-z]\w{0,80}(?=\()"),
        ("nb", r"\?\w+"), comments="%", texts="\" '",
        keywords="""
            after and andalso band begin bnot bor bsl bsr bxor case catch cond div else end false fun if let maybe not
            of or orelse receive rem true try when xor
        """,
        builtins="""
            atom_to_list element erlang exit io is_atom is_list length list_to_atom lists maps self spawn throw
            tuple_size
        """,
    ),
    "f# fs fsharp": Grammar(
        _CHARACTER, ("nd", r"\[<[^\n>]*(?:>\])?"), blocks="(* *)", comments="//", texts='""" "', prefix="[$@]?",
        names=r"[^\W\d][\w']*", classes="type", functions="let member",
        keywords=f"""
            {_ML_WORDS} abstract async base default delegate elif extern finally fixed global inline interface internal
            namespace not null override public return static task upcast use void yield
        """,
        builtins="""
            Array List Map None Option Seq Set Some String bool byte float int int64 list option printf printfn seq
            sprintf string unit failwith
        """,
    ),
    "fortran": Grammar(
        ("c", r"^[cC*](?=\s)[^\n]*"), ("k", r"\.(?:and|or|not|true|false|eq|ne|lt|le|gt|ge|eqv|neqv)\."), comments="!",
        raw="\" '", fold=True,
        keywords="""
            abstract allocatable allocate associate call case character class close common complex contains continue
            cycle data deallocate dimension do double elemental else elseif end enddo endif endfunction endmodule
            endprogram endsubroutine exit extends external final format go goto if implicit import in inout inquire
            integer intent interface intrinsic kind len logical namelist none nullify only open operator optional out
            parameter pointer precision private procedure public pure print read real recursive result return save
            select stop target then to use value where while write
        """,
        builtins="""
            abs allocated cos dot_product exp log matmul max maxval min minval mod present real reshape sin size sqrt
            sum transpose trim
        """,
        functions="function subroutine program", classes="module type",
    ),
    "go golang": Grammar(
        ("", r"(?<=^func )\([^()\n]{0,80}\)"), comments="//", blocks="/* */", raw="`", strings="\" '",
        keywords="""
            any bool break byte case chan complex64 complex128 const continue default defer else error fallthrough false
            float32 float64 for go goto if import int int8 int16 int32 int64 interface iota map nil package range return
            rune select string struct switch true uint uint8 uint16 uint32 uint64 uintptr var
        """,
        builtins="""
            append cap clear close complex copy delete imag len make max min new panic print println real recover
        """,
        functions="func", classes="type",
    ),
    "graphql": Grammar(
        ("nd", r"@\w+"), comments="#", texts='"""', strings='"', names=_DOLLAR, keys=":",
        keywords="""
            directive extend false fragment implements mutation null on query repeatable schema subscription true
        """,
        builtins="Boolean Float ID Int String", classes="enum input interface scalar type union",
    ),
    "groovy java": Grammar(
        _ANNOTATION, comments="//", blocks="/* */", texts='"""', strings="\" '",
        keywords="""
            abstract assert boolean break byte case catch char const continue default do double else extends false final
            finally float for goto if implements import instanceof int long native new null package permits private
            protected public return sealed short static strictfp super switch synchronized this throw throws transient
            true try var void volatile while yield
        """,
        classes="class interface enum record",
    ),
    "hcl terraform": Grammar(
        _document("<<-?"), blocks="/* */", comments="# //", strings='"', names=_DASHED, keys="=",
        keywords="""
            data dynamic else endfor endif false for if import in locals module moved null output provider resource
            terraform true variable
        """,
        builtins="""
            bool each file format join length list local lookup map merge number path self string templatefile toset
            tostring var
        """,
    ),
    "html": Grammar(*_MARKUP),
    "http": Grammar(
        ("k", r"^(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|TRACE|CONNECT)(?= )"), ("k", r"HTTP/[0-9.]{1,5}"),
        ("na", r"^[A-Za-z][\w-]{0,60}(?=:)"), strings='"', keywords="true false null",
    ),
    "ipython": _python(("nd", r"^%%[a-zA-Z_]\w*|^[ \t]{0,99}(?:%[a-zA-Z_]\w*|![^\n]*)|\?{1,2}$")),
    "javascript js": _javascript(_JS_WORDS, "class"),
    "jinja jinja2": Grammar(("c", r"\{#" + until("#}", lines=True)), _EXPRESSION, *_MARKUP),
    "jl julia": Grammar(
        _CHARACTER, ("nd", r"@[^\W\d][\w.]*!?"), ("s", r"(?<![\w:)\]]):[^\W\d]\w*"), blocks="#= =#", comments="#",
        texts='""" "', prefix="(?:raw|[rbv])?", names=r"[^\W\d][\w!]*",
        keywords="""
            abstract baremodule begin break catch const continue do else elseif end export false finally for global if
            import in isa let local missing mutable nothing primitive public quote return true try using where while
        """,
        builtins="""
            Any Array Bool Char Complex Dict Float32 Float64 Int Int32 Int64 Matrix Number Real Set String Symbol Tuple
            Vector collect eachindex eltype error filter length map maximum minimum ones pop! print println push! rand
            randn range round size sort sqrt sum throw typeof zeros
        """,
        functions="function macro", classes="module struct type",
    ),
    "json json5 jsonc": Grammar(
        comments="//", blocks="/* */", strings="\" '", keywords="true false null NaN Infinity", keys=":",
    ),
    "jsx": _javascript(_JS_WORDS, "class", _ELEMENT),
    "kotlin kt": Grammar(
        _ANNOTATION, comments="//", blocks="/* */", texts='"""', strings="\" '",
        keywords="""
            abstract actual annotation as break by catch companion const constructor continue crossinline data do else
            enum expect external false final finally for get if import in infix init inline inner internal is lateinit
            null object open operator out override package private protected public reified return sealed set super
            suspend tailrec this throw true try typealias typeof val var vararg when where while
        """,
        builtins="""
            Any Boolean Byte Char Double Float Int List Long Map Nothing Set Short String Unit listOf mapOf println
            print
        """,
        functions="fun", classes="class interface",
    ),
    "latex tex": Grammar(
        ("", r"\\%"), ("nb", r"\\(?:begin|end)(?:\{[\w*]{0,60}\}?)?"), ("k", r"\\(?:[A-Za-z@]+\*?|[^A-Za-z])"),
        ("c", r"%[^\n]*"), ("", r"\w+"), ("s", r"\${1,2}(?:[^$\\]+|\\[\s\S])*\${0,2}"),
    ),
    "lisp racket scheme wast": Grammar(
        ("s", r"(?<![\w)]):[\w*+!?<>=/-]+"), ("s", r"#\\(?:[a-z]+|.)"), ("m", r"[-+]?[0-9]\w*(?:[./][0-9]\w*)?"),
        blocks="#| |#", comments=";", texts='"', names=_LISP_NAME, fold=True,
        keywords="""
            and begin block call/cc case catch cond declare define-record-type delay do dolist dotimes else eq equal
            eval export flet for if import in-package labels lambda let let* letrec let-values loop macrolet match
            module nil or progn provide quasiquote quote require return set! setf setq struct t tagbody the throw unless
            unquote unwind-protect use-package values when while with-open-file #t #f #lang
        """,
        builtins="""
            append apply assoc atom car cdr cons display eq? equal? error filter first foldl foldr format funcall length
            list list-ref make-hash map mapcar max member min newline not null null? number? print printf push rest
            reverse second string-append vector zero?
        """,
        functions="define defun defmacro defvar defparameter defconstant defgeneric defmethod define-syntax defcustom",
        classes="defclass defstruct defpackage",
    ),
    "lua": Grammar(
        ("c", "--" + _LUA_LONG.format("end")), ("s", _LUA_LONG.format("stop")), comments="--", strings="\" '",
        keywords="""
            and break do else elseif end false for goto if in local nil not or repeat return then true until while
        """,
        builtins="""
            assert error io ipairs math next os pairs pcall print rawget rawset require select setmetatable getmetatable
            string table tonumber tostring type xpcall self
        """,
        functions="function",
    ),
    "make makefile": Grammar(
        ("nf", r"^[\w./%-]{1,80}(?=[ \t]{0,9}:(?!=))"),
        ("k", r"^-?[ \t]{0,9}(?:include|if(?:n?eq|n?def)|else|endif|define|endef|(?:un)?export|override|vpath)\b"),
        ("nb", r"\$[@<^+?*%]|\$\([@<^+?*%A-Za-z][\w-]{0,60}\)?"), _SHELL_COMMENT, strings="\" '", names=_DASHED,
        builtins=_SHELL_BUILTINS,
    ),
    "markdown md": Grammar(
        ("gh", r"^#{1,6}[ \t][^\n]*|^(?:={3,99}|-{3,99})$"),
        ("s", r"^(?:```|~~~)[^\n]*(?:\n(?!```|~~~)[^\n]*)*(?:\n(?:```|~~~))?"), ("s", "`" + until("`")),
        ("c", "<!--" + until("-->", lines=True)), ("k", r"^[ \t]{0,40}(?:[-*+]|[0-9]{1,9}[.)])(?= )"),
        ("na", r"(?<=\]\()[^)\s]*"), ("gp", r"^>"), ("", r"\w+"),
    ),
    "matlab octave": Grammar(
        ("c", r"^[ \t]{0,40}%\{" + until("\n%}", lines=True)), ("c", r"[%#][^\n]*|\.\.\.[^\n]*"),
        ("s", r"(?<![\w)\]}'.])(?:'[^'\n]*'?)+"), strings='"',
        keywords="""
            break case catch classdef continue else elseif end endfor endfunction endif endwhile events for function
            global if methods otherwise parfor persistent properties return spmd switch try until unwind_protect while
        """,
        builtins="""
            abs axis cell ceil cos disp eig error exp eye false figure find floor fprintf hold imag inf int32 inv
            isempty length legend linspace log max mean min mod NaN norm numel ones pi plot printf rand randn real
            repmat reshape round sin size sort sprintf sqrt std strcat struct sum title true uint8 xlabel ylabel zeros
        """,
    ),
    "mysql": _sql(comments="-- #"),
    "objc objective-c": Grammar(
        _DIRECTIVE, ("k", r"@[a-z]+"), comments="//", blocks="/* */", strings="\" '", prefix="@?",
        keywords=f"{_C_WORDS} id self super nil Nil YES NO BOOL SEL IMP instancetype in strong weak nonatomic copy",
        classes="struct union enum",
    ),
    "ocaml": Grammar(
        _CHARACTER, blocks="(* *)", texts='"', names=r"[^\W\d][\w']*", keywords=_ML_WORDS, functions="let",
        classes="type",
        builtins="""
            Array Hashtbl List Map None Option Printf Some String bool char float int list option print_endline ref
            string unit failwith
        """,
    ),
    "pascal": Grammar(
        ("cp", r"\{\$" + until("}", lines=True)), ("s", r"#\$?[0-9a-fA-F]+"),
        blocks="{ } (* *)", comments="//", raw="'",
        fold=True,
        keywords="""
            and array as begin boolean break byte case char class const constructor continue destructor div do double
            downto else end except exit exports false file finalization finally for goto if implementation in inherited
            initialization inline integer interface is label mod nil not object of on operator or out override packed
            private property protected public published raise read real record repeat set shl shr string then threadvar
            to true try type until uses var virtual while with write xor
        """,
        builtins="Assigned FreeAndNil Inc Dec Length Ord ReadLn SetLength WriteLn readln writeln format",
        functions="function procedure", classes="program unit library",
    ),
    "perl pl": Grammar(
        ("c", r"^=[a-z]+" + until("\n=cut", lines=True)), _document("<<~?"), ("", r"[$@%&]#?\{?\^?\w+|\$[^\w\s]"),
        ("s", r"(?<![\w>{-])(?:s|tr|y)/(?:[^/\\\n]+|\\.)*/?(?:[^/\\\n]+|\\.)*/?[a-z]{0,9}"),
        ("s", r"(?:(?<![\w>{-])(?:m|qr)|(?<=[=!]~ )|(?<=\())/(?:[^/\\\n]+|\\.)*/?[a-z]{0,9}"), ("s", r"qw ?\([^)]*\)?"),
        comments="#", texts="\" ' `",
        keywords="""
            and cmp continue do else elsif eq eval for foreach ge given goto gt if last le local lt my ne next no not or
            our redo require return state unless until use when while x xor BEGIN END __END__ __FILE__ __LINE__
        """,
        builtins="""
            abs bless chomp chop chr close defined delete die each exists exit grep hex index int join keys lc length
            map oct open ord pop pos print printf push qw read ref reverse rindex say scalar shift sort splice split
            sprintf sqrt substr sum tr uc undef unlink unshift values wantarray warn
        """,
        functions="sub", classes="package",
    ),
    "php": Grammar(
        ("cp", r"<\?(?:php|=)?|\?>"), ("cp", r"#\[[^\]\n]*\]?"), _document("<<<"), comments="// #", blocks="/* */",
        texts="\" '", names=_DOLLAR, fold=True,
        keywords="""
            abstract and array as bool break callable case catch clone const continue declare default die do echo else
            elseif empty enddeclare endfor endforeach endif endswitch endwhile exit extends false final finally float
            for foreach from global goto if implements include include_once instanceof insteadof int isset iterable list
            match mixed namespace never new null or parent print private protected public readonly require require_once
            return self static string switch this throw true try unset use var void while xor yield
        """,
        builtins="""
            array_filter array_key_exists array_keys array_map array_merge array_pop array_push array_values count date
            explode file_get_contents file_put_contents implode in_array is_array is_null is_string json_decode
            json_encode preg_match preg_replace printf sprintf str_replace strlen strpos strtolower strtoupper substr
            trim var_dump
        """,
        functions="function fn", classes="class interface trait enum",
    ),
    "plpgsql postgresql sql": _sql(),
    "powershell ps1": Grammar(
        ("", r"`[\s\S]"), ("s", '@"\n' + until('\n"@', lines=True)), ("s", "@'\n" + until("\n'@", lines=True)),
        ("nb", r"[A-Za-z]{2,20}-[A-Za-z]\w*"), blocks="<# #>", comments="#", raw="\" '", fold=True,
        names=r"\$[^\W\d][\w:]*|-?[^\W\d]\w*",
        keywords="""
            begin break catch continue data do dynamicparam else elseif end exit finally for foreach if in param process
            return switch throw trap try until using while -and -as -band -bor -contains -eq -f -ge -gt -in -is -join
            -le -like -lt -match -ne -not -notcontains -notin -notlike -notmatch -or -replace -split -xor $true $false
            $null
        """,
        functions="filter function", classes="class enum",
    ),
    "proto protobuf": Grammar(
        comments="//", blocks="/* */", strings="\" '", functions="rpc", classes="enum message service",
        keywords="""
            bool bytes double extend extensions false fixed32 fixed64 float import int32 int64 map oneof option optional
            package public repeated required reserved returns sfixed32 sfixed64 sint32 sint64 stream string syntax to
            true uint32 uint64
        """,
    ),
    "py py3 python python3": _PYTHON,
    "pycon": Grammar(
        ("gp", r"^(?:>>>|\.\.\.)(?: |$)"), _PYTHON_LINE, ("", r"^[^\n]+"),
    ),
    "pytb": Grammar(
        ("gh", r"^Traceback \(most recent call last\):"), ("gd", r"^(?:[A-Za-z_]\w{0,60}\.){0,9}[A-Z]\w{0,60}(?=:|$)"),
        strings='"', keywords="File line in",
    ),
    "r": Grammar(
        ("", r"`" + until("`")), comments="#", texts="\" '", names=r"(?:[^\W\d]|\.(?![0-9]))[\w.]*",
        keywords="break else FALSE for function if in Inf NA NaN next NULL repeat return TRUE T F while",
        builtins="""
            abs apply as.character as.factor as.integer as.numeric c cat colnames cbind data.frame dim do.call factor
            filter ggplot head ifelse is.na is.null lapply length levels library list lm matrix max mean median merge
            min mutate names ncol nrow order paste paste0 plot print quantile rbind read.csv rep require round rownames
            sapply sd seq select set.seed str stop subset sum summarise summary table tapply tail unique unlist vapply
            var which write.csv
        """,
    ),
    "rb ruby": Grammar(
        ("c", r"^=begin\b" + until("\n=end", lines=True)), _document("<<[~-]?"), ("s", r"(?<![\w:]):[^\W\d]\w*[?!]?"),
        ("", r"[@$]{1,2}[^\W\d]\w*"), _PATTERN, comments="#", texts="\" ' `", names=r"[^\W\d]\w*[?!]?",
        keywords="""
            BEGIN END alias and begin break case defined? do else elsif end ensure extend false for if in include loop
            next nil not or prepend private protected public raise redo require require_relative rescue retry return
            self super then true undef unless until when while yield
        """,
        builtins="""
            Array Float Hash Integer Kernel String Struct attr_accessor attr_reader attr_writer catch format gets lambda
            p print printf proc puts rand sleep sprintf throw
        """,
        functions="def", classes="class module",
    ),
    "rs rust": Grammar(
        ("cp", r"#!?\[[^\]\n]*\]?"), ("s", r"b?r(?P<end>#{0,9})\"(?:[^\"]+|\"(?!(?P=end)))*(?:\"(?P=end))?"),
        ("s", r"b?'(?:\\[^\n']{1,9}|\\'|[^\\'\n])'"), ("nb", r"[A-Za-z_]\w{0,40}!(?=[(\[{ ])"), comments="//",
        blocks="/* */", texts='"', prefix="b?",
        keywords="""
            as async await bool box break char const continue crate dyn else extern f32 f64 false for i8 i16 i32 i64
            i128 if impl in isize let loop match move mut pub ref return self Self static str super true u8 u16 u32 u64
            u128 unsafe use usize where while
        """,
        builtins="""
            Arc Box Clone Copy Debug Default Drop Err From HashMap HashSet Into Iterator None Ok Option Rc RefCell
            Result Send Some String Sync ToString Vec
        """,
        functions="fn", classes="struct enum trait type union mod",
    ),
    "rst": Grammar(
        ("k", r"^[ \t]{0,40}\.\. [\w:-]{1,60}::"), ("c", r"^[ \t]{0,40}\.\. [^\n]*"),
        ("gh", r"^(?:={3,99}|-{3,99}|~{3,99}|\^{3,99}|\*{3,99}|#{3,99})$"), ("s", "``" + until("``")),
        ("nb", r":[\w-]{1,40}:(?=`)"), ("s", "`" + until("`") + "_{0,2}"), ("na", r"^[ \t]{0,40}:[\w -]{1,60}:"),
        ("", r"\w+"),
    ),
    "sass scss": _css(
        ("k", r"@(?:if|else|for|each|while|function|return|mixin|include|extend|use|forward)\b"), comments="//",
    ),
    "scala": Grammar(
        _CHARACTER, _ANNOTATION, comments="//", blocks="/* */", texts='"""', strings='"', prefix="[fs]?",
        keywords="""
            abstract case catch derives do else end enum export extends extension false final finally for forSome given
            if implicit import inline lazy macro match new null opaque open override package private protected return
            sealed super then this throw transparent true try using val var while with yield
        """,
        builtins="""
            Any AnyRef Array Boolean Byte Char Double Either Float Future Int List Long Map None Nothing Option Seq Set
            Some String Unit Vector println
        """,
        functions="def", classes="class object trait type",
    ),
    "sqlite3": _sql(("gp", r"^(?:sqlite>|   \.\.\.>)"), ("k", r"(?:^|(?<=^sqlite> ))\.[a-z]+")),
    "svelte vue": Grammar(_EXPRESSION, *_MARKUP),
    "svg xml": Grammar(*(rule for rule in _MARKUP if rule[0] not in {_SCRIPT, _STYLE})),
    "swift": Grammar(
        ("nd", r"[@#][^\W\d]\w*"), comments="//", blocks="/* */", texts='"""', strings='"',
        keywords="""
            actor any as associatedtype async await break case catch continue convenience default defer deinit do else
            fallthrough false fileprivate final for get guard if import in indirect infix init inout internal is lazy
            let mutating nil nonisolated open operator override private public repeat required rethrows return self Self
            set some static subscript super switch throw throws true try typealias unowned var weak where while willSet
            didSet
        """,
        builtins="""
            Any Array Bool Character Dictionary Double Error Float Int Optional Result Set String UInt Void print
        """,
        functions="func", classes="class struct enum protocol extension",
    ),
    "systemverilog verilog": Grammar(
        ("m", r"[0-9]{0,20}'[sS]?[bodhBODH][\w?]+"), ("nb", r"\$[a-z_]\w*"), ("cp", r"`[a-z_]\w*"), comments="//",
        blocks="/* */", strings='"', classes="module interface package class program", functions="function task",
        keywords="""
            alias always always_comb always_ff always_latch and assert assign assume automatic begin bit break byte case
            casex casez const constraint continue cover default defparam disable do edge else end endcase endclass
            endfunction endgenerate endinterface endmodule endpackage endtask enum event extends final for force foreach
            forever fork generate genvar if import initial inout input inside int integer join localparam logic longint
            modport negedge new nor not null or output packed parameter posedge property rand real reg repeat return
            signed static string struct super this tri type typedef union unique unsigned virtual void wait while wire
            with
        """,
    ),
    "toml": Grammar(
        ("gh", r"^[ \t]{0,40}\[{1,2}[^\]\n]{0,99}\]{1,2}(?=[ \t]{0,40}(?:#|$))"),
        ("m", r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.+Z-]*)?"), comments="#", texts='"""', raw="''' '", strings='"',
        names=r"[^\W\d][\w.-]*", keywords="true false inf nan", keys="=",
    ),
    "ts typescript": _javascript(_TS_WORDS, "class interface enum type namespace"),
    "tsx": _javascript(_TS_WORDS, "class interface enum type namespace", _ELEMENT),
    "vb vbnet": Grammar(
        ("c", r"(?:'|\brem\b)[^\n]*"), ("cp", r"^[ \t]{0,40}#[a-z]+"), raw='"', fold=True,
        keywords="""
            addhandler addressof alias and andalso as boolean byref byte byval call case catch char cint const continue
            date decimal declare default delegate dim directcast do double each else elseif end erase error event exit
            false finally for friend get gettype global goto handles if implements imports in inherits integer is isnot
            let lib like long loop me mod mustinherit mustoverride mybase myclass namespace new next not nothing object
            of on option optional or orelse overloads overridable overrides paramarray partial private property
            protected public raiseevent readonly redim removehandler resume return select set shadows shared short
            single static step stop string synclock then throw to true try trycast typeof until using variant wend when
            while with withevents xor
        """,
        builtins="console msgbox debug", functions="function sub", classes="class module structure interface enum",
    ),
    "vhdl": Grammar(
        _CHARACTER, comments="--", strings='"', fold=True,
        keywords="""
            abs access after alias all and architecture array assert attribute begin block body buffer bus case
            component configuration constant disconnect downto else elsif end exit file for generate generic group
            guarded if impure in inertial inout is label library linkage literal loop map mod nand new next nor not null
            of on open or others out port postponed procedure process pure range record register reject rem report
            return rol ror select severity shared signal sla sll sra srl subtype then to transport type unaffected units
            until use variable wait when while with xnor xor
        """,
        builtins="""
            bit boolean integer natural positive rising_edge falling_edge signed std_logic std_logic_vector string time
            unsigned to_integer to_unsigned
        """,
        functions="function", classes="entity package",
    ),
    "yaml yml": Grammar(
        ("cp", r"^(?:---|\.\.\.)$|^%[A-Z]+"), _SHELL_COMMENT,
        ("nt", r"(?:^|(?<=[-{,?] ))[ \t]{0,40}[\w./$*\"'](?:[\w./$*\"' -]{0,60}[\w./$*\"'-])?(?=:(?:\s|$))"),
        ("nb", r"(?<!\S)(?:[&*][\w-]+|!{1,2}[\w/.:-]*)"),
        ("m", r"(?<![\w.:/-])[-+]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?=[\s,\]}]|\Z)"),
        ("s", r"(?<!\w)\"" + until('"', escape=True, lines=True)), ("s", r"(?<!\w)'" + until("'", lines=True)),
        names=r"[\w./:-]+", keywords="true false null yes no on off True False Yes No",
    ),
}

GRAMMARS: dict[str, Grammar] = {name: grammar for names, grammar in _BY_NAMES.items() for name in names.split()}
"""The grammar of each language, by each name that a fence may give to it."""
