/* The messages of the page in the language of the survey. The server sends them with the survey. */

/* What can be said before the messages are there. */
const FIRST = {
  "title": "Listening test",
  "connection.lost": "The connection is lost.",
  "connection.busy": "The server is busy.",
  "connection.again": "Trying again…",
};

let texts = FIRST, code = "en", plurals = new Intl.PluralRules(code);

/* Use a language from now on, in all elements of the page that have a text or a label from it. */
export function speak(language) {
  texts = language.texts;
  try {
    [code] = Intl.getCanonicalLocales(language.code);
  } catch { /* the name of a file that is no code: numbers are as in English */ }
  plurals = new Intl.PluralRules(code);
  Object.assign(document.documentElement, {lang: code, dir: language.direction});
  translate(document);
  for (const template of document.querySelectorAll("template")) translate(template.content);
}

function translate(root) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(node.dataset.label));
}

/* Return a message. `n` decides its plural form; numbers are written as the language does. */
export function say(name, values = {}) {
  const found = texts[name] ?? name;
  const text = typeof found === "string" ? found : found[plurals.select(values.n)] ?? found.other;
  return text.replace(/\{(\w+)\}/g, (whole, key) => {
    const value = values[key];
    return typeof value === "number" ? number(value) : value ?? whole;
  });
}

export function number(value, digits = 0) {
  const places = Number.isInteger(value) ? digits : Math.max(digits, 1);
  return new Intl.NumberFormat(code, {minimumFractionDigits: digits, maximumFractionDigits: places}).format(value);
}

export const list = names => new Intl.ListFormat(code, {type: "unit", style: "long"}).format(names);
