// What is wrong with a piece of a page: everything in it that is not on the list of what harmless Markdown consists of.
// And its provocation: every event that something in it listens for, and a click on all that can be clicked.
(() => {
    if (window !== window.top) return;

    const TAGS = new Set(
        ("a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr li ol p pre s small span strong table tbody td th thead tr ul " +
            "input style details summary sub sup kbd").split(" ")
    );
    const CLASS = /^(berlin-.*|highlight|language-[\w#+-]+|[a-z]{1,2}|cm-.*|jp-RenderedHTMLCommon|jp-InternalAnchorLink|anchor-link|numbering-entry|ͼ\w+)$/;
    const CLASSES = (value) => value.split(/\s+/).every((name) => !name || CLASS.test(name));
    // How the tables and lines of `%berlin` commands are laid out: constants of kernel/command_output.py.
    const COMMAND_CELL = /^text-align:left;vertical-align:top;(white-space:nowrap|white-space:pre-wrap;overflow-wrap:break-word;word-break:normal)$/;
    const COMMAND_TEXT = /^white-space:pre-wrap;overflow-wrap:break-word;word-break:normal$/;

    // What stands around code and wide tables in Markdown, as markdown.py writes it, and as JupyterLab's sanitizer leaves it.
    const CODE_STYLE =
        /^display:grid;(grid:auto\/minmax\(max-content,1fr\);)?overflow:auto(;margin-bottom:1em;font-family:monospace(;--jp-layout-color0:var\(--jp-cell-editor-background\))?)?;?$/;

    const RULES = {
        "a href": (value, el) =>
            /^(https?:\/\/[^\s/]|mailto:)/i.test(value) || (/^#/.test(value) && /InternalAnchor|anchor-link/.test(el.className)),
        "a target": (value) => value === "_blank" || value === "_self",
        "a rel": (value) => value.startsWith("noopener"),
        "a title": () => true,
        "a download": () => false,
        "details open": (_value, el) => /^berlin-(reasoning|slip)$/.test(el.className),
        "ol start": (value) => /^\d+$/.test(value),
        "td align": () => true,
        "th align": () => true,
        "td style": (value) => /^text-align: ?(left|right|center);?$/.test(value) || COMMAND_CELL.test(value),
        "th style": (value) => /^text-align: ?(left|right|center);?$/.test(value) || COMMAND_CELL.test(value),
        "div style": (value, el) =>
            (el.matches(".berlin-status, .berlin-status > .berlin-slip > div, .berlin-reasoning > div") && !/position|url/.test(value)) ||
            (el.className === "berlin-code" && CODE_STYLE.test(value)) ||
            value === "overflow:auto" ||
            (el.matches(".berlin-command") && COMMAND_TEXT.test(value)) ||
            /^(margin:\.8em 0|opacity:\.65;font-size:85%)$/.test(value), // of a turn in `%berlin history`
        "details style": (value, el) => el.className === "berlin-reasoning" && !/position|url/.test(value),
        "input type": (value) => value === "checkbox",
        "input disabled": () => true,
        "input checked": () => true,
        "div data-language": (value) => /^[A-Za-z0-9+#.-]{1,20}$/.test(value),
        "* dir": (value) => value === "auto" || value === "ltr",
        "* class": CLASSES,
        "pre tabindex": (value) => value === "0", // of the live view and of our extension
        "div tabindex": (value, el) => value === "0" && el.matches(".berlin-table, :has(> table)"),
        "* data-slot": (value) => /^\d+$/.test(value),
        "* data-jupyter-id": (_value, el) => /^H\d$/.test(el.tagName),
        "* id": (value, el) => /^H\d$/.test(el.tagName) && document.querySelectorAll(`[id="${CSS.escape(value)}"]`).length === 1,
    };
    // What MathJax writes: version 3 in JupyterLab, version 2 in nbconvert's pages.
    const MATH = "mjx-container, .MathJax_CHTML, .MathJax_Preview, .MathJax_Display, .MJXc-display, .MJX_Assistive_MathML, script[id^=MathJax-Element]";
    const MATH_CLASS = /^(mjx|MJX|TEX|MathJax|CtxtMenu)/;

    // The buttons of our extension, told by all of their markup: what looks like this, and is not ours, does nothing.
    const BUTTON =
        '<button type="button" data-lm-suppress-shortcuts="true" title="[\\w :]+" aria-label="[\\w :]+">[\\w ]+</button>';
    const BUTTONS = RegExp(
        `^<div data-berlin-buttons="(code|reply)" role="group" aria-label="[\\w ]+">(${BUTTON})+<span role="status"></span></div>$`
    );

    function isOurs(el) {
        const group = el.closest("[data-berlin-buttons]");
        return group !== null && BUTTONS.test(group.outerHTML);
    }

    function name(el) {
        return el.tagName.toLowerCase();
    }

    function inMath(el, found) {
        for (const { name: attribute, value } of el.attributes) {
            const bad =
                /^on|href|src|^data-command|^action/i.test(attribute) ||
                (attribute === "id" && !MATH_CLASS.test(value)) ||
                (attribute === "class" && !value.split(/\s+/).every((one) => !one || MATH_CLASS.test(one))) ||
                (attribute === "style" && /url\(|fixed|sticky|background/i.test(value));
            if (bad) found.push(`math ${name(el)} ${attribute}=${value.slice(0, 60)}`);
        }
        if (["a", "img", "iframe", "form", "input", "style", "image"].includes(name(el))) found.push(`math ${name(el)}`);
    }

    function inText(el, found) {
        const tag = name(el);
        if (!TAGS.has(tag) || el.namespaceURI !== "http://www.w3.org/1999/xhtml") found.push(`element ${tag}`);
        if (tag === "input" && el.type !== "checkbox") found.push(`input ${el.type}`);
        // Our one style sheet is a constant; it is told by its first words, and everything else in it by the rules.
        if (tag === "style" && !/^(\.berlin-reply [^{}@]*\{[^{}@]*\}|[^{}@]*\.berlin-reply [^{}@]*\{[^{}@]*\})+$/.test(el.textContent)) {
            found.push("style sheet");
        }
        for (const { name: attribute, value } of el.attributes) {
            const rule = RULES[`${tag} ${attribute}`] ?? RULES[`* ${attribute}`];
            if (!rule?.(value, el)) found.push(`attribute ${tag} ${attribute}=${value.slice(0, 60)}`);
        }
    }

    // The part of an element that is painted, in the page's pixels; null if it is clipped away.
    function painted(el, root) {
        let { left, top, right, bottom } = el.getBoundingClientRect();
        for (let up = el.parentElement; up && root.contains(up); up = up.parentElement) {
            const style = getComputedStyle(up);
            if (style.overflow === "visible" && !/paint|strict|content/.test(style.contain)) continue;
            const box = up.getBoundingClientRect();
            left = Math.max(left, box.left);
            top = Math.max(top, box.top);
            right = Math.min(right, box.right);
            bottom = Math.min(bottom, box.bottom);
        }
        return right > left && bottom > top ? { left, top, right, bottom } : null;
    }

    function inspect(root) {
        const found = [];
        for (const el of root.querySelectorAll("details.berlin-reasoning, details.berlin-slip")) el.open = true;
        const frame = root.getBoundingClientRect();
        for (const el of root.querySelectorAll("*")) {
            if (isOurs(el)) continue;
            const math = el.closest(MATH);
            if (math && root.contains(math)) inMath(el, found);
            else inText(el, found);
            const { position } = getComputedStyle(el);
            const hidden = el.closest("mjx-assistive-mml, .MJX_Assistive_MathML"); // for screen readers, clipped to a pixel
            if (position === "fixed" || position === "sticky") found.push(`${position} ${name(el)}`);
            else if (position === "absolute" && !math) found.push(`absolute ${name(el)}`);
            else if (!hidden) {
                const box = painted(el, root);
                if (box && (box.left < frame.left - 40 || box.right > frame.right + 40 || box.top < frame.top - 40 || box.bottom > frame.bottom + 40)) {
                    found.push(`${name(el)} is painted outside`);
                }
            }
        }
        return [...new Set(found)].slice(0, 8);
    }

    function provoke(root) {
        for (const el of [...root.querySelectorAll("*")]) {
            if (isOurs(el)) continue;
            for (const { name: attribute } of [...el.attributes]) {
                if (/^on/i.test(attribute)) el.dispatchEvent(new Event(attribute.slice(2).toLowerCase()));
            }
            for (const type of ["mouseover", "pointerover", "mousemove"]) {
                el.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true }));
            }
            if (el.tabIndex >= 0 && el.focus) el.focus({ preventScroll: true });
            if (el.matches("a, area, button, input, summary, label, [data-commandlinker-command], mjx-maction") || el.closest("svg, math a, a")) {
                el.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, composed: true, view: window }));
            }
        }
        document.activeElement?.blur?.();
    }

    // Links that open a window are followed by a user's click alone: here it is only noted where they would lead. Those
    // that would run or load something in this window do so.
    let following = [];
    window.addEventListener(
        "click",
        (event) => {
            const link = event.target.closest?.("a[href], area[href]");
            if (!link || event.isTrusted) return;
            const address = String(link.href?.baseVal ?? link.href);
            if (link.target === "_blank" || /^(https?|mailto):/i.test(address)) {
                event.preventDefault();
                if (!/^#/.test(link.getAttribute("href") ?? "")) following.push([address, link.target, link.rel]);
            }
        },
        true
    );
    window.addEventListener(
        "submit",
        (event) => {
            if (new URL(event.target.action, location.href).origin === location.origin) event.preventDefault();
        },
        true
    );

    window.berlinDetector = {
        // Findings for each element that `selector` finds, in the order of the page.
        inspect: (selector) => [...document.querySelectorAll(selector)].map(inspect),
        // Provoke each of them; returns the commands that JupyterLab was told to run, and the links that were followed.
        provoke: async (selector) => {
            const commands = window.jupyterapp?.commands;
            const ran = [];
            if (commands) commands.execute = (id) => (ran.push([now, id]), Promise.resolve());
            following = [];
            let now = 0;
            for (const root of document.querySelectorAll(selector)) {
                provoke(root);
                now += 1;
            }
            await new Promise((done) => setTimeout(done));
            if (commands) delete commands.execute;
            return { ran, following };
        },
    };
})();
