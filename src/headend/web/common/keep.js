// Lists whose elements stay as long as what they show.

/**
 * Keep the children of a container in step with values, without making anew what stays: focus and
 * what is open survive.
 *
 * @param {Element} container
 * @param {object[]} items
 * @param {(item: object) => string|number} keyOf
 * @param {(item: object) => {element: Element, update: (item: object) => void}} make
 */
export function keep(container, items, keyOf, make) {
  const kept = (container.kept ??= new Map());
  const seen = new Set();
  let before = null;
  for (const item of items) {
    const key = keyOf(item);
    seen.add(key);
    if (!kept.has(key)) kept.set(key, make(item));
    const part = kept.get(key);
    part.update(item);
    const place = before === null ? container.firstChild : before.nextSibling;
    if (part.element !== place) container.insertBefore(part.element, place);
    before = part.element;
  }
  for (const [key, part] of kept) {
    if (!seen.has(key)) {
      part.element.remove();
      kept.delete(key);
    }
  }
}
