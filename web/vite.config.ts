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
      input: ['player', 'audio', 'account'].map((page) => `${import.meta.dirname}/${page}.html`),
    },
  },
});
