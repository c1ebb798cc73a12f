// Writes the npm packages whose code is in the built page, with the texts of their licences, as Markdown to standard
// output. Vite's own build.license leaves out the workers, in which most of the editor is.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';

// Packages that were published without a licence file, and one by the same authors that has it.
const borrowed = {
  '@graphiql/plugin-doc-explorer': 'graphiql',
  '@graphiql/plugin-history': 'graphiql',
  'react-compiler-runtime': 'react',
  'react-remove-scroll-bar': 'react-remove-scroll',
};

const folders = new Set();
const record = {
  name: 'record',
  generateBundle(_options, bundle) {
    for (const { moduleIds = [] } of Object.values(bundle)) {
      for (const id of moduleIds) {
        const [, folder] = id.match(/^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//) ?? [];
        if (folder) folders.add(folder);
      }
    }
  },
};
await build({ logLevel: 'error', build: { write: false }, plugins: [record], worker: { plugins: () => [record] } });

function texts(folder) {
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice|third-?party-?notices)/i.test(file));
  return files.sort().map((file) => `\n\`\`\`\`text\n${readFileSync(join(folder, file), 'utf8').trim()}\n\`\`\`\`\n`).join('');
}

const sections = new Map(); // a package may be there twice, in different folders
for (const folder of folders) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const text = texts(folder) || (borrowed[name] && texts(join('node_modules', borrowed[name])));
  if (!text) throw new Error(`${name} has no licence file: add it to "borrowed" in web/notices.mjs`);
  sections.set(`${name} ${version}`, `### ${name} ${version}\n\n${license}\n${text}`);
}
process.stdout.write([...sections.keys()].sort().map((key) => sections.get(key)).join('\n'));
