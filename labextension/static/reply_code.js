// The code blocks of a reply: as its Markdown holds them, and as they are drawn.

// Quotes and list items around a block. No two alternatives begin alike: deep quotes would take exponential time.
const CONTAINERS = "((?:>| |[-*] |\\d{1,9}[.)] )*)";
const FENCE = new RegExp(`^${CONTAINERS}(\`{3,})[^\`]*$`);
const ELEMENT = new RegExp(`^${CONTAINERS}<pre><code>(.*)$`); // how berlin_magic writes code that could do something
const REFERENCE = /&#(\d{1,7});/g;
const COLOUR = /^(?:[a-z]{1,2}\d?|\u037c\w{1,3}|language-[\w+#.-]+)$/; // the classes of coloured code: ours, CodeMirror's
// The elements around a reply that is saved as Markdown alone, its code and its wide tables.
const FRAME = new RegExp(`^${CONTAINERS}<(/?)div(?: class="berlin-(?:reply|code)")?(?: style="[^"<>]*")?>(?:<small>[^<>]*</small>)?$`);
const STATUS = /^<div class="berlin-status"[^\n]*\n?$/m;

/** Return the code in Markdown that berlin_magic has written, block by block. */
export function codeIn(markdown) {
    const blocks = [];
    const lines = markdown.split("\n");
    for (let at = 0; at < lines.length; at++) {
        const fence = FENCE.exec(lines[at]);
        const element = fence ? null : ELEMENT.exec(lines[at]);
        if (!fence && !element) continue;
        const [, around, rest] = fence ?? element;
        const end = fence ? rest : "</code></pre>";
        const code = element ? [rest] : [];
        while (++at < lines.length && lines[at].slice(around.length) !== end) {
            code.push(lines[at].slice(around.length));
        }
        const text = code.join("\n");
        blocks.push(element ? text.replace(REFERENCE, (_, number) => String.fromCodePoint(number)) : text);
    }
    return blocks;
}

/** Return Markdown that berlin_magic has written, without the elements around a reply that has no HTML. */
export function unframed(markdown) {
    if (!markdown.startsWith('<div class="berlin-reply">')) return markdown;
    const lines = markdown.replace(STATUS, "").split("\n");
    const kept = [];
    for (let at = 0; at < lines.length; at++) {
        const [, around, closes] = FRAME.exec(lines[at]) ?? [];
        if (around === undefined) kept.push(lines[at]);
        else if (!closes) {
            at++; // an empty line follows, then what the element is around; it may begin a list item
            lines[at + 1] = around + lines[at + 1].slice(around.length);
        }
    }
    return `${kept.join("\n").trimEnd()}\n`;
}

/** Return the code that a `<pre>` shows; null if something in it may be hidden, or look like something else. */
export function codeShown(pre) {
    const plain = element =>
        !element.hasAttribute("style") &&
        !element.hidden &&
        (element.localName === "pre"
            ? element.className === ""
            : ["code", "span"].includes(element.localName) && [...element.classList].every(name => COLOUR.test(name)));
    return [pre, ...pre.querySelectorAll("*")].every(plain) ? pre.textContent.replace(/\n$/, "") : null;
}
