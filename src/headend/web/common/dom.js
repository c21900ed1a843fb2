// Elements, made and found; text that is copied.

export const $ = (id) => document.getElementById(id);

/** Make an element; text children become text, never markup. */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

/** Set text only where it changed, so that nothing is read out or drawn again for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Copy what a field holds, and say so on the button for a while. */
export async function copy(field, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select(); // not over HTTPS, or not allowed in this frame
    if (!document.execCommand('copy')) return;
  }
  button.textContent = 'Copied';
  setTimeout(() => (button.textContent = before), 1500);
}
