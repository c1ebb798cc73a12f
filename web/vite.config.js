import { gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

/**
 * Keeps each file compressed only. That is how nearly all browsers ask for it, and the server carries every byte; it
 * unpacks a file for a client that does not take gzip.
 */
const compressed = {
  name: 'compressed',
  enforce: 'post',
  generateBundle: {
    order: 'post',
    handler(_options, bundle) {
      for (const [name, file] of Object.entries(bundle)) {
        delete bundle[name];
        this.emitFile({ type: 'asset', fileName: `${name}.gz`, source: gzipSync(file.code ?? file.source, { level: 9 }) });
      }
    },
  },
};

export default defineConfig({
  base: './', // for a server behind a proxy that puts it into a folder
  plugins: [compressed],
  build: {
    outDir: 'dist/app',
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4000, // kB; the editor is in one piece
    rolldownOptions: {
      // Libraries mark files for React's server components, of which there are none here.
      onLog: (level, log, handle) => log.code === 'MODULE_LEVEL_DIRECTIVE' || handle(level, log),
    },
  },
  server: {
    proxy: Object.fromEntries(['/graphql', '/schema.graphql', '/sample'].map((path) => [path, 'http://127.0.0.1:8080'])),
  },
});
