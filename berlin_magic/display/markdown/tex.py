r"""Allow-list of the TeX commands that may reach a math typesetter.

MathJax has commands that make links (``\href``), set styles, classes and ids (``\style``, ``\class``, ``\cssId``),
define commands (``\def``), load extensions (``\require``), reach into the produced elements (``\mmlToken``), or
draw outside their place (``\rule``, ``\raise``); its list grows with its versions. So only known commands of notation
pass; any other is shown by its name. What is allowed is what JupyterLab 4.6 has: MathJax 3.2 with all of its packages.

``\ce`` (chemistry) has a language of its own, whose parser splits a text again: its argument may only have letters,
digits, a few signs and allowed commands, so that no command can be put together from pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["BLOCK_MARK", "ENVIRONMENTS", "harmless", "inert"]

_LETTERS = """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi omicron pi
    varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega digamma Gamma Delta Theta Lambda Xi Pi Sigma
    Upsilon Phi Psi Omega varGamma varDelta varTheta varLambda varXi varPi varSigma varUpsilon varPhi varPsi varOmega
    aleph beth gimel daleth hbar hslash imath jmath ell wp Re Im partial infty prime backprime emptyset varnothing
    nabla surd top bot angle measuredangle sphericalangle triangle forall exists nexists neg lnot flat natural sharp
    clubsuit diamondsuit heartsuit spadesuit complement Finv Game eth mho Bbbk circledS S P dag ddag copyright
    checkmark maltese bigstar blacksquare square Box Diamond lozenge blacklozenge bigtriangleup bigtriangledown
    triangledown blacktriangle blacktriangledown vartriangle diagup diagdown degree
"""
_OPERATORS = """
    sum prod coprod int oint iint iiint iiiint idotsint bigcap bigcup bigsqcup bigvee bigwedge bigodot bigotimes
    bigoplus biguplus smallint pm mp times div cdot cdots ast star circ bullet cap cup uplus sqcap sqcup vee wedge
    land lor setminus smallsetminus wr diamond triangleleft triangleright lhd rhd unlhd unrhd oplus ominus otimes
    oslash odot bigcirc dagger ddagger amalg dotplus ltimes rtimes leftthreetimes rightthreetimes barwedge veebar
    doublebarwedge boxminus boxplus boxtimes boxdot circleddash circledast circledcirc centerdot intercal
    divideontimes Cap Cup curlyvee curlywedge doublecap doublecup
"""
_RELATIONS = """
    leq le geq ge lt gt neq ne equiv sim simeq approx approxeq cong propto prec succ preceq succeq ll gg lll ggg
    subset supset subseteq supseteq subsetneq supsetneq sqsubset sqsupset sqsubseteq sqsupseteq Subset Supset in ni
    notin owns models vdash dashv Vdash vDash Vvdash nvdash nvDash nVdash nVDash perp mid nmid parallel nparallel
    bowtie Join smile frown asymp doteq Doteq doteqdot eqsim eqcirc circeq triangleq bumpeq Bumpeq risingdotseq
    fallingdotseq backsim backsimeq thicksim thickapprox leqq geqq leqslant geqslant nleq ngeq nless ngtr nleqslant
    ngeqslant lneq gneq lneqq gneqq lesssim gtrsim lessapprox gtrapprox lessgtr gtrless lesseqgtr gtreqless
    preccurlyeq succcurlyeq precsim succsim nprec nsucc npreceq nsucceq nsubseteq nsupseteq subseteqq supseteqq
    trianglelefteq trianglerighteq vartriangleleft vartriangleright between pitchfork because therefore multimap
    ncong nsim varpropto backepsilon not coloneqq eqqcolon colon
"""
_ARROWS = """
    leftarrow gets rightarrow to leftrightarrow Leftarrow Rightarrow Leftrightarrow longleftarrow longrightarrow
    longleftrightarrow Longleftarrow Longrightarrow Longleftrightarrow iff implies impliedby mapsto longmapsto
    hookleftarrow hookrightarrow leftharpoonup leftharpoondown rightharpoonup rightharpoondown rightleftharpoons
    leftrightharpoons uparrow downarrow updownarrow Uparrow Downarrow Updownarrow nearrow searrow swarrow nwarrow
    leadsto rightsquigarrow leftrightsquigarrow twoheadleftarrow twoheadrightarrow leftarrowtail rightarrowtail
    leftleftarrows rightrightarrows leftrightarrows rightleftarrows upuparrows downdownarrows circlearrowleft
    circlearrowright curvearrowleft curvearrowright looparrowleft looparrowright Lleftarrow Rrightarrow nleftarrow
    nrightarrow nleftrightarrow nLeftarrow nRightarrow nLeftrightarrow dashleftarrow dashrightarrow upharpoonleft
    upharpoonright downharpoonleft downharpoonright restriction Lsh Rsh xleftarrow xrightarrow
"""
_STRUCTURE = """
    frac dfrac tfrac cfrac binom dbinom tbinom sqrt root of over atop choose brace brack overset underset stackrel
    overline underline overbrace underbrace overrightarrow overleftarrow overleftrightarrow underrightarrow
    underleftarrow underleftrightarrow widehat widetilde hat tilde bar vec dot ddot dddot ddddot acute grave breve
    check mathring limits nolimits substack sideset boxed fbox phantom vphantom hphantom smash cancel bcancel
    xcancel pmod bmod mod pod left right middle big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr bigm
    Bigm biggm Biggm begin end hline cr tag notag nonumber displaystyle textstyle scriptstyle scriptscriptstyle
    langle rangle lvert rvert lVert rVert vert Vert lfloor rfloor lceil rceil lbrace rbrace lbrack rbrack lgroup
    rgroup lmoustache rmoustache ulcorner urcorner llcorner lrcorner backslash quad qquad enspace thinspace
    medspace thickspace negthinspace ldots dots dotsc dotsb dotsm dotsi dotso vdots ddots ldotp cdotp space
"""
_FONTS = """
    mathrm mathbf mathit mathsf mathtt mathcal mathscr mathfrak mathbb boldsymbol pmb bm bold rm bf it sf tt cal
    text textrm textbf textit textsf texttt textnormal mbox operatorname mathop mathbin mathrel mathord mathopen
    mathclose mathpunct mathinner mathnormal mathbfit
"""
_MORE = """
    bra ket braket ketbra set Bra Ket Braket Ketbra Set
    ce pu bond
    centernot centerOver cancelto xleftrightarrow xrightleftharpoons xLeftarrow xRightarrow xLeftrightarrow
    xhookleftarrow xhookrightarrow xmapsto xrightharpoonup xrightharpoondown xleftharpoonup xleftharpoondown
    xleftrightharpoons xtwoheadrightarrow xtwoheadleftarrow xlongequal xtofrom longrightleftharpoons
    longLeftrightharpoons longRightleftharpoons longleftrightarrows
    dblcolon coloneq Coloneq Coloneqq eqcolon Eqcolon Eqqcolon colonapprox Colonapprox colonsim Colonsim bigtimes
    ordinarycolon centercolon prescript splitfrac splitdfrac vdotswithin cramped nuparrow ndownarrow overunderset
    curlyeqprec curlyeqsucc eqslantgtr eqslantless gggtr llless gnapprox gnsim lnapprox lnsim gtrdot lessdot gtreqqless
    lesseqqgtr gvertneqq lvertneqq ngeqq nleqq nshortmid nshortparallel shortmid shortparallel nsubseteqq nsupseteqq
    ntriangleleft ntrianglelefteq ntriangleright ntrianglerighteq precapprox precnapprox precneqq precnsim succapprox
    succnapprox succneqq succnsim smallfrown smallsmile subsetneqq supsetneqq varsubsetneq varsubsetneqq varsupsetneq
    varsupsetneqq circledR yen And negmedspace negthickspace nobreakspace hdashline mathstrut strut
    ohm celsius perthousand micro frak Bbb scr mathup mathbfup mathbfcal mathbffrak mathbfscr mathbfsf mathsfup
    mathsfit mathbfsfup mathbfsfit symup symbf symit symcal symscr symfrak symsf symtt symbb symrm symnormal symbfup
    symbfit symbfcal symbffrak symbfscr symbfsf symsfup symsfit symbfsfup symbfsfit textup emph
    textdegree textcelsius textohm textmu textpm textminus texttimes textdiv texteuro textsterling textyen textcent
    textbullet textellipsis textemdash textendash textquotedblleft textquotedblright textquoteleft textquoteright
    textsection textparagraph textcopyright textregistered texttrademark textonehalf textonequarter textthreequarters
    textunderscore textperthousand textbar textless textgreater textasciicircum textasciitilde
    upalpha upbeta upgamma updelta upepsilon upzeta upeta uptheta upiota upkappa uplambda upmu upnu upxi upomicron uppi
    uprho upsigma uptau upupsilon upphi upchi uppsi upomega upvarepsilon upvartheta upvarpi upvarrho upvarsigma
    upvarphi Upgamma Updelta Uptheta Uplambda Upxi Uppi Upsigma Upupsilon Upphi Uppsi Upomega
"""  # of the packages braket, mhchem, mathtools, extpfeil, centernot, gensymb, textcomp, upgreek and the rest of AMS
_FUNCTIONS = """
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp lim limsup liminf max min sup inf
    arg deg det dim gcd hom ker Pr injlim projlim varlimsup varliminf varinjlim varprojlim
"""
_ALLOWED = frozenset(
    f"{_LETTERS} {_OPERATORS} {_RELATIONS} {_ARROWS} {_STRUCTURE} {_FONTS} {_FUNCTIONS} {_MORE}".split()
)
_TABLES = """
    matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array cases aligned alignedat gathered split align
    align* alignat alignat* gather gather* equation equation* eqnarray eqnarray* multline multline* subarray
    flalign flalign* rcases dcases drcases cases* dcases* rcases* numcases subnumcases multlined xalignat xalignat*
    matrix* pmatrix* bmatrix* Bmatrix* vmatrix* Vmatrix* psmallmatrix bsmallmatrix vsmallmatrix
"""
ENVIRONMENTS = frozenset(_TABLES.split())
_SIGNS = frozenset("{}|,:;!>/ \\%#&_$\n")

_CHEMISTRY = re.compile(r"\\(?:ce|pu)(?![A-Za-z])")
_CHEMISTRY_TEXT = re.compile(r"(?:[^\\$#%&~@]|\\[A-Za-z]+)*\Z")
_CHEMISTRY_ARROWS = {"<=>": "\u21cc", "->": "\u27f6"}  # as its reader knows them, too
_MOST_CHEMISTRY = 500  # characters of one argument

_COMMAND = re.compile(r"\\(?:([A-Za-z]+)|(.)|\Z)", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{([^{}]*)\}")
_DROPPED = (
    (re.compile(r"\\label\s*\{[^{}]*\}"), ""),  # would be the id of an element
    (re.compile(r"\\(?:text)?color\s*\{[^{}]*\}"), ""),
    (re.compile(r"\\[hv]space\s*\*?\s*\{[^{}]*\}"), r"\\quad "),
)
_DEPTH = 60  # braces; typesetters recurse
_INERT = {
    "//": "/ /",
    "<": r"\lt ",
    ">": r"\gt ",
    "`": "'",
    "$": "",
    "~": r"\ ",
    "!": "! ",
    "www.": "www .",
}
_READABLE = re.compile(r"(\\.)|(%[^\n]*)|(\](?=\s*[(\[:]))|//|www\.|[<>`$~!]", re.DOTALL | re.IGNORECASE)
BLOCK_MARK = re.compile(r"[-+*#=:|_]|\d+[.)]")


def harmless(tex: str) -> str | None:
    r"""Return `tex` with no command in it but known, harmless ones; None if it is not to be typeset at all.

    Parameters
    ----------
    tex : str
        What is between the delimiters.

    Returns
    -------
    str or None
        TeX with balanced braces and no ``\(``, ``\)``, ``\[`` or ``\]``. Other commands are shown by their names.
    """
    if not _balanced(tex):
        return None
    for pattern, replacement in _DROPPED:
        tex = pattern.sub(replacement, tex)
    tex = _COMMAND.sub(_command, tex)
    named = _ENVIRONMENT.findall(tex)
    if any(name not in ENVIRONMENTS for name in named) or len(re.findall(r"\\(?:begin|end)\b", tex)) != len(named):
        return None
    return tex if all(_is_chemistry(text) for _, text in _chemistry(tex)) else None


def inert(tex: str) -> str | None:
    r"""Return `tex` made `harmless`, and such that no Markdown parser finds markup that matters in it; None likewise.

    A parser that knows no math reads it as text: no ``<``, no back quote, no link, no fence, no empty line is left, no
    line but the first begins a list or a heading, and no comment hides what comes after it.
    """
    safe = harmless(tex)
    if safe is None:
        return None
    for at, text in reversed(list(_chemistry(safe))):
        plain = text
        for arrow, sign in _CHEMISTRY_ARROWS.items():
            plain = plain.replace(arrow, sign)
        if "<" in plain or ">" in plain:
            return None  # no other spelling of these arrows is known
        safe = safe[:at] + plain + safe[at + len(text) :]
    safe = _READABLE.sub(_readable, safe)
    written = ""
    for line in filter(None, (line.strip() for line in safe.split("\n"))):
        written += ("" if not written else " " if BLOCK_MARK.match(line) else "\n") + line
    return written


def _readable(found: re.Match[str]) -> str:
    command, comment, bracket = found.groups()
    if comment or bracket:
        return "]{}" if bracket else ""  # a bracket that begins no link, and no reference of one
    return command or _INERT[found[0].lower()]


def _command(found: re.Match[str]) -> str:
    name, sign = found[1], found[2]
    if name is not None:
        return found[0] if name in _ALLOWED else rf"\backslash \mathtt{{{name}}}"
    if sign is None:
        return r"\backslash "
    if sign in "([)]":
        return sign
    return found[0] if sign in _SIGNS else rf"\backslash {sign}"


def _chemistry(tex: str) -> Iterator[tuple[int, str]]:
    r"""Find the arguments of ``\ce`` and ``\pu``, with the place of each.

    An argument without braces is given as a text that is no chemistry.
    """
    for found in _CHEMISTRY.finditer(tex):
        depth = 0
        for mark in re.compile(r"\\.|[{}]|[^\s{}]", re.DOTALL).finditer(tex, found.end()):
            depth += {"{": 1, "}": -1}.get(mark[0], 0)
            if depth <= 0:
                inside = tex[found.end() : mark.end()]
                yield found.end(), inside if mark[0] == "}" else "\\"
                break


def _is_chemistry(text: str) -> bool:
    return len(text) <= _MOST_CHEMISTRY and _CHEMISTRY_TEXT.match(text) is not None


def _balanced(tex: str) -> bool:
    depth = 0
    for mark in re.findall(r"\\.|[{}]", tex, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if not 0 <= depth <= _DEPTH:
            return False
    return depth == 0
