/* Short names for what every module does with the document. */

export const find = id => document.getElementById(id);
export const all = selector => document.querySelectorAll(selector);

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
