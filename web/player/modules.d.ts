// The light build is typed like the whole one; it only lacks features that a muxed live stream has no use for.
declare module 'hls.js/light' {
  export * from 'hls.js';
  export { default } from 'hls.js';
}

declare module '*.css?inline' {
  const css: string;
  export default css;
}

declare module '*.css';
