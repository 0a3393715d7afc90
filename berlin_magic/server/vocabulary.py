"""Words of questions: which say nothing, which little, which the same as others."""

from __future__ import annotations

__all__ = ["EMPTY", "SAME", "WEAK", "words"]


def words(text: str) -> frozenset[str]:
    """Return the words of `text`, which stand between white space."""
    return frozenset(text.split())


EMPTY = words("""
between difference meaning written wrote
a able about actually all also am an and any anybody anyone anything anyway are as at be
because been being best bit but by can can't cannot could did do does doesn't doing don't easily
else ever every everything exactly explain few for from get gets getting give gives go going gone
good got had happen happens has have having he hello help her here hey hi him his how i i'd i'll i'm
i've if in into is isn't it it's its itself just kind know let like likely lot made make makes
making many may maybe me mean means might more most much must my myself need needed no nor not of
off ok okay on one only or other our out over per please possible properly quickly really
recommended right same see shall she should show simply so some somebody somehow someone something
still such supposed sure tell than thank thanks that that's the their them then there these they
thing things this those to too try trying under until up us very want wants was way ways we well
were what what's when where where's which who whose why will with within without won't would
wouldn't yes yet you your yours
""")
"""Words that say nothing of what a question is about."""

WEAK = words("""
notebook again while
answer ask asked berlin best big build call change code come computer cost data day end example file
find first free function good high jupyter keep language last line list live long look loop low
machine model name new number open page people person place point price program python question read
run safe said save say set small start stay take talk test text three time turn two use used user
using version word work world write year
""")
"""Words that are on topic only together with others: a question in these alone may be about anything."""

SAME = tuple(
    words(line)
    for line in """
stop halt cancel abort kill quit end terminate cease
interrupt ctrl-c sigint
answer reply response respond
show display render view appear visible
conversation chat dialogue dialog talk discussion thread session
reset clear forget erase wipe restart fresh anew delete
remember memory recall context history
save store keep persist stored kept
password passphrase credential secret login
token key credential
login log-in sign-in signin authenticate logon
model llm gpt ai engine
setting option configuration config preference configure customize parameter
environment env
variable name
connect attach link hook plug
install setup pip
start launch run begin boot
error exception failure fail problem crash
freeze hang block stuck frozen unresponsive
slow lag long
wait pending
server backend host service
cost price free pay charge expensive cheap
private privacy confidential secrecy
local offline laptop locally
partial half incomplete unfinished
cut truncate broken lost drop
stream live incremental
async asynchronous asyncio await
sync synchronous blocking
list show display
length size limit maximum max short shorten
terminal console shell
instruction persona role behave
safe secure security danger dangerous trust
share publish
upload send transmit sent
table dataframe
ollama llama
document documentation docs manual
default standard
background meanwhile while parallel concurrent
""".strip().splitlines()
)
"""Groups of words that mean the same in a question about this package."""
