// A menu that a button opens and closes; so do Escape and a touch beside it.

import { $ } from './dom.js';

/** Have a button open a menu. */
export function menu(buttonId, menuId) {
  const [button, panel] = [$(buttonId), $(menuId)];
  const open = (isOpen) => {
    panel.hidden = !isOpen;
    button.setAttribute('aria-expanded', String(isOpen));
  };
  button.addEventListener('click', () => {
    open(panel.hidden);
    if (!panel.hidden) panel.querySelector('label:not([hidden]) select')?.focus();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || panel.hidden) return;
    open(false);
    button.focus();
  });
  document.addEventListener('pointerdown', ({ target }) => {
    if (!panel.contains(target) && !button.contains(target)) open(false);
  });
}
