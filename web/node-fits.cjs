// Exits with 0 if this Node is one that Vite 8 and Playwright run on (their package.json: engines).
const [major, minor] = process.versions.node.split('.').map(Number);
process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1);
