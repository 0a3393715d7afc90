// The code blocks of a reply: as its Markdown holds them, and as they are drawn.

// Quotes and list items around a block. No two alternatives begin alike, or deep quotes would take for ever.
const CONTAINERS = "((?:>| |[-*] |\\d{1,9}[.)] )*)";
const FENCE = new RegExp(`^${CONTAINERS}(\`{3,})[^\`]*$`);
const ELEMENT = new RegExp(`^${CONTAINERS}<pre><code>(.*)$`); // how berlin_magic writes code that could do something
const REFERENCE = /&#(\d{1,7});/g;
const COLOUR = /^[a-z]{1,2}\d?$/; // the classes of coloured code

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
