"""What readers of the most common languages see in colours."""

from __future__ import annotations

import pytest

from berlin_magic.display.markdown.languages import GRAMMARS

# Each line: a language, code with the coloured pieces in «», and the class of each.
SAMPLES = [
    ("python", '«@cache»\n«def» «f»(x): «return» «f"{x}"» «# c»', "nd k nf k s c"),
    ("python", 'a = «"""x\n"y\n"""»\n«match» a:\n  «case» «1e-5»: «print»(match)', "s k k m nb"),
    ("pycon", "«>>>» «len»(«'a'»)\n1 # no\n«...»", "gp nb s gp"),
    ("ipython", "«%time» x = «5» % «3»\n«!ls»", "nd m m nd"),
    ("bash", '«for» f «in» *; «do» «echo» «"$f"» ${#f} x#y «# c»\n«done»', "k k k nb s c k"),
    ("bash", "«cat» «<<EOF\nit's»\nEOF\n«ls»", "nb s nb"),
    ("console", "«$» «ls» -l\nif it's output", "gp nb"),
    ("js", "«const» re = «/[\"/]'/g», y = a / b / «2»; «// c»", "k s m c"),
    ("ts", "«interface» «A» { x: «string» } f(b.class, «`a\n${b}`»)", "k nc k s"),
    ("jsx", '«return» «<a» x=«"y"»>{ «await» z }«</a>»', "k nt s k nt"),
    ("html", '«<a» «b»=«"c>d"»«>»it\'s «&amp;» if«</a»«>»', "nt na s nt nb nt nt"),
    ("html", '«<script»«>»«if» («"</b>"»)«</script»«>»', "nt nt k s nt nt"),
    ("xml", "«<!-- <a> -->»«<?xml?>»", "c cp"),
    ("css", "«.a» b«:hover» { «color»: «#fff»; «margin»: «-1.5em» }", "nc nd na m na m"),
    ("json", '{«"a"»: «"b: c"», «"d"»: [«1», «null»]}', "nt s nt m k"),
    ("yaml", "«a b»: it's\n- «c»: «12» «# d»\n- nginx:1.25", "nt nt m c"),
    ("toml", "«[a.b]»\n«c» = «'d'» «# e»", "gh nt s c"),
    ("sql", "«SELECT» «count»(*) «FROM» \"a\" «-- it's»\n«WHERE» b = «'O'»«'Neill'»", "k nb k c k s s"),
    ("c", "«#define A 'b»\n«int» main() { «return» «'\\''»; } «/* c\n*/»", "cp k k s c"),
    ("c++", '«auto» s = «R"x(a")x"»; «class» «B» {};', "k s k nc"),
    ("rust", "«fn» «f»<'a>(x: &'a «str») { «println!»(«\"{}\"», «'x'») }", "k nf k nb s s"),
    ("go", "«func» (r *T) «Add»(a «int») { «return» «`x\n`» }", "k nf k k s"),
    ("r", "«c»(x.y, «TRUE», «3L») «# c»", "nb k m c"),
    ("julia", "«function» «f!»(A') x' * «'c'» «:sym» «end»", "k nf s s k"),
    ("matlab", "y = x' * [«1»]'; s = «'it''s'»; «% c»", "m s c"),
    ("lua", "«local» s = «[==[a]]\n]==]» «--[[c\nd]]»", "k s c"),
    ("ruby", '«def» «a?» = x =~ «/"/» ? «:b» : «nil»', "k nf s s k"),
    ("php", "«<?php» «FUNCTION» «f»($if) { «# c»\n}", "cp k nf c"),
    ("perl", "«my» $n = $#y; $x =~ «s/a'/b/g»; «# c»", "k s c"),
    ("haskell", "«f» :: «Int»\nf x' = «'c'» «-- d»", "nf nb s c"),
    ("lisp", "(«defun» «f-1» (x) 'a «; c»\n)", "k nf c"),
    ("latex", "«\\emph»{a} 5\\% «$x$» «% c»", "k s c"),
    ("diff", "«--- a»\n«-b»\n«+c»\n it's", "gh gd gi"),
    ("makefile", "«all»: «$(X)»\n\tA := b «# c»", "nf nb c"),
    ("dockerfile", "«FROM» a «AS» b\n«RUN» «pip» x", "k k k nb"),
    ("pytb", "«Traceback (most recent call last):»\n«ValueError»: x", "gh gd"),
    ("markdown", "«# a»\nb «`c`» [d](«e»)", "gh s na"),
    ("nim", "«proc» f «# c»\nhttps://x", "k c"),
]


@pytest.mark.parametrize(("name", "sample", "classes"), SAMPLES)
def test_the_colours_of_a_language(name, sample, classes):
    pieces = list(GRAMMARS[name].pieces(sample.replace("«", "").replace("»", "")))
    assert "".join(text.replace(text.strip(), f"«{text.strip()}»") if mark else text for mark, text in pieces) == sample
    assert " ".join(mark for mark, _ in pieces if mark) == classes
