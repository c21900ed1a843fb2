// What a viewer may take along: the snippet for other pages, and addresses.

import { $, copy } from '../common/dom.js';

/** @param {import('./stream.js').Stream} stream */
export function share(stream) {
  $('snippet').value = snippet(stream.page.href, stream.told.path);
  $('token-note').hidden = stream.token === null;
  $('flv-link').value = stream.media('.flv', { hasQuery: false });
  $('hls-link').value = stream.media('/index.m3u8', { hasQuery: false });
  for (const id of ['hls-link']) $(id).closest('.copy-row').hidden = !stream.told.hls;
  document.querySelector('label[for=hls-link]').hidden = !stream.told.hls;
  for (const button of document.querySelectorAll('[data-copy]')) {
    button.setAttribute(
      'aria-label',
      `Copy: ${document.querySelector(`label[for=${button.dataset.copy}]`).textContent}`,
    );
    button.addEventListener('click', () => copy($(button.dataset.copy), button));
  }
}

/** The markup that shows this player on another page. */
function snippet(address, title) {
  return (
    `<iframe src="${escaped(address)}" title="${escaped(title)}" ` +
    'allow="autoplay; fullscreen; picture-in-picture" allowfullscreen loading="lazy" ' +
    'style="width:100%;aspect-ratio:16/9;border:0"></iframe>'
  );
}

function escaped(text) {
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}
