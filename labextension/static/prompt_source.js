// What a prompt cell is: one whose first line is the magic `%%berlin`, as IPython reads it.

const MAGIC = /^[ \t]*%%berlin(?!\S)/;

/** Whether a line is the magic. */
export const isMagic = line => MAGIC.test(line);

/** Whether a cell's source is a prompt; IPython skips blank lines above a magic. */
export const isPrompt = source => isMagic(source.replace(/^(?:[ \t]*\n)+/, ""));

/** Return a prompt's source with an option added to its first line. */
export const withOption = (source, option) => source.replace(/^((?:[ \t]*\n)*[ \t]*%%berlin)(?!\S)/, `$1 ${option}`);
