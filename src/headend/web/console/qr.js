// QR codes, drawn as one path: nothing of what they hold leaves the browser.

const SVG = 'http://www.w3.org/2000/svg';

/** Draw a text; an empty text where the library is not there. */
export async function qrCode(text, label) {
  let encode;
  try {
    ({ encode } = await import('../libraries/uqr.mjs'));
  } catch {
    return ''; // a checkout without npm
  }
  const { size, data } = encode(text, { ecc: 'M', border: 2 });
  const cells = [];
  data.forEach((row, y) => row.forEach((isDark, x) => isDark && cells.push(`M${x} ${y}h1v1h-1z`)));
  const image = document.createElementNS(SVG, 'svg');
  image.setAttribute('viewBox', `0 0 ${size} ${size}`);
  image.setAttribute('role', 'img');
  image.setAttribute('aria-label', label);
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', cells.join(''));
  image.append(path);
  return image;
}
