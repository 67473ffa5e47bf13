import { defineConfig } from 'vite';

/**
 * The pages of the web folder, built into dist/web. Every reference is relative: a page is served under `{public_url}/embed/…` or
 * `{public_url}/dashboard/…`,
 * which may be a sub-path nobody knows at build time, and finds its assets in `assets/` beside it.
 */
export default defineConfig({
  base: './',
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // The pages' Content-Security-Policy allows no inline script, and every asset must be a file of its own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      // 'use client' means nothing where there is no server that renders.
      checks: { moduleLevelDirective: false },
      // Of the server's rooms only what a page names comes along: some of the rest needs Node.
      treeshake: { moduleSideEffects: [{ test: /\/src\/(?:contract|base|client)\//, sideEffects: false }] },
      input: {
        ...Object.fromEntries(
          ['player', 'audio', 'account', 'dashboard', 'publish'].map((page) => [
            page,
            `${import.meta.dirname}/${page}.html`,
          ]),
        ),
        // The player for pages of other people: its name stays, so that they need not change theirs.
        'player-script': `${import.meta.dirname}/player/define.ts`,
      },
      output: {
        entryFileNames: ({ name }) => (name === 'player-script' ? 'player.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
