#!/usr/bin/env bash
# Builds the page at / into dist/app, unless it is there and current. Without a Node that Vite runs on it says so and
# leaves the page out, for which the server has a fallback; with --required it fails.
set -euo pipefail
cd "$(dirname "$0")"

built=dist/app/index.html.gz
if [ -f "$built" ] && [ -z "$(find src index.html vite.config.js package-lock.json -newer "$built" -print -quit)" ]; then
  exit 0
fi
if ! command -v npm >/dev/null || ! node node-fits.cjs; then
  echo "the playground is left out, and the page at / will need the internet: building it takes Node 20.19 or later, or 22.12 or later, with npm; found: $(node --version 2>/dev/null || echo none)" >&2
  [ "${1:-}" != --required ]
  exit
fi
echo "building the playground: installing its npm packages, which takes some 20 s without npm's cache" >&2
npm ci --no-audit --no-fund --loglevel error
echo "building the playground: bundling into web/dist, some 10 s" >&2
npm run build --silent -- --outDir dist/next --emptyOutDir --logLevel warn
rm -rf dist/app # whole or not at all
mv dist/next dist/app
echo "the playground is built" >&2
