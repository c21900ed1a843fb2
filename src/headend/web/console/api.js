// The management API, in the session of a browser that signed in.

export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export class Api {
  #csrf = null;

  /** Called when the session is over. */
  onSignedOut = () => {};

  /** Take up a session from before; false: there is none. */
  async resume() {
    try {
      this.#csrf = (await this.#ask('GET', '/sign-in')).csrf;
      return true;
    } catch (error) {
      if (error.status === 401) return false;
      throw error;
    }
  }

  async signIn(token) {
    this.#csrf = (await this.#ask('POST', '/sign-in', { token })).csrf;
  }

  async signOut() {
    await this.#ask('DELETE', '/sign-in');
    this.#csrf = null;
  }

  get(path) {
    return this.#watched('GET', path);
  }

  post(path, body) {
    return this.#watched('POST', path, body);
  }

  put(path, body) {
    return this.#watched('PUT', path, body);
  }

  delete(path) {
    return this.#watched('DELETE', path);
  }

  async #watched(method, path, body) {
    try {
      return await this.#ask(method, path, body);
    } catch (error) {
      if (error.status === 401) this.onSignedOut();
      throw error;
    }
  }

  async #ask(method, path, body) {
    const headers = { Accept: 'application/json' };
    if (this.#csrf !== null && method !== 'GET') headers['X-CSRF-Token'] = this.#csrf;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let response;
    try {
      response = await fetch(address(path), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch {
      throw new ApiError(0, 'The server cannot be reached.');
    }
    const text = await response.text();
    const isJson = response.headers.get('Content-Type')?.includes('json');
    const found = isJson && text ? JSON.parse(text) : null;
    if (!response.ok) {
      throw new ApiError(
        response.status,
        found?.detail ?? `The server answers ${response.status}.`,
      );
    }
    return found;
  }
}

/** A stream's path in an address; its slashes stay slashes. */
export function encoded(path) {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** Address of the API; the server may stand below a path of its proxy. */
export function address(path) {
  return new URL(`./api/v1${path}`, document.baseURI).href;
}
