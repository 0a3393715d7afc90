// Reads Markdown texts (JSON, one a line), answers what `marked` makes of each: the kinds of danger, and the HTML.
// argv: the module of marked, and optionally JupyterLab's own script, whose search for math is run around it. Beside
// `marked` are installed: showdown, which is also run as a parser that knows no fences, and markdown-it.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Marked } = await import(process.argv[2]);
const marked = new Marked({ gfm: true });
const require = createRequire(process.argv[2]);
const showdown = require("showdown");
const plain = new showdown.Converter();
const withoutFences = new showdown.Converter({ ghCodeBlocks: false, simplifiedAutoLink: true, tables: true });
const markdownIt = require("markdown-it")({ html: true, linkify: true });

let math = null;
if (process.argv[3]) {
  const source = readFileSync(process.argv[3], "utf8");
  const start = source.indexOf('let n="$",r=/(');
  const end = start < 0 ? -1 : start + source.slice(start).search(/\},\d+\([a-z,]*\)\{"use strict"/);
  if (end > start) math = new Function(source.slice(start, end) + ";return {remove: s, replace: o}")();
  globalThis.navigator ??= { appName: "" };
}
if (process.argv[3] && !math) {
  console.error("JupyterLab's search for math was not found in its script");
  process.exit(3);
}

// Elements without attributes, and those around a reply, its code and its wide tables, as in safe_html.py.
const OURS = new RegExp(
  "^(?:[^<>]|</?(?:details|summary|sub|sup|kbd|em|strong|s|pre|code|small)>|<br>|</div>" +
    '|<div class="berlin-reply">|<div style="overflow:auto">' +
    '|<div class="berlin-code" style="display:grid;grid:auto/minmax\\(max-content,1fr\\);overflow:auto;margin-bottom:1em;' +
    'font-family:monospace;--jp-layout-color0:var\\(--jp-cell-editor-background\\)">)*$'
);

function dangers(tokens) {
  const found = [];
  marked.walkTokens(tokens, (token) => {
    if ((token.type === "html" || token.type === "tag") && !OURS.test(token.raw)) found.push(`html: ${token.raw}`);
    if (token.type === "image") found.push(`image: ${token.href}`);
    if (token.type === "def") found.push(`definition: ${token.raw}`);
    if (token.type === "link" && !/^(https?:\/\/|mailto:)/i.test(token.href)) found.push(`target: ${token.href}`);
  });
  return found;
}

for await (const line of createInterface({ input: process.stdin })) {
  const text = JSON.parse(line);
  const answer = { dangers: dangers(marked.lexer(text)), html: marked.parse(text) };
  answer.others = {
    showdown: plain.makeHtml(text),
    "showdown without fences": withoutFences.makeHtml(text),
    "markdown-it with linkify": markdownIt.render(text),
  };
  if (math) {
    const removed = math.remove(text);
    answer.dangers.push(...dangers(marked.lexer(removed.text)).map((danger) => `after math, ${danger}`));
    answer.lab = math.replace(marked.parse(removed.text), removed.math);
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
