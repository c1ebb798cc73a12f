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

/** Gives the stored tabs the variables that renewal chooses for them. */
export async function renewStored(renewal) {
  const { tabs, ...state } = JSON.parse(localStorage.getItem('graphiql:tabState'));
  // The editors' texts are stored apart from the tabs. GraphiQL takes them for those of one tab more unless they equal the active tab's.
  const shown = { query: localStorage.getItem('graphiql:query'), variables: localStorage.getItem('graphiql:variables') };
  const renewed = await renewal([...tabs, shown]);
  localStorage.setItem('graphiql:tabState', JSON.stringify({ ...state, tabs: tabs.map((tab) => ({ ...tab, variables: renewed(tab) })) }));
  if (shown.variables !== null) localStorage.setItem('graphiql:variables', renewed(shown));
}
