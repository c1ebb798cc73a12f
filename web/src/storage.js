// What the browser keeps: tabs, settings and history, and never a header of a request, for headers hold credentials.
// GraphiQL leaves them out of its tabs (shouldPersistHeaders), but not out of its history.
const withoutHeaders = (text) => JSON.stringify(JSON.parse(text), (key, value) => (key === 'headers' ? undefined : value));

export const storage = {
  getItem: (name) => localStorage.getItem(name),
  removeItem: (name) => localStorage.removeItem(name),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length;
  },
  setItem: (name, value) => localStorage.setItem(name, /:(queries|favorites)$/.test(name) ? withoutHeaders(value) : value),
};
