// The pages behind embed_url and embed_audio_url: one custom element that keeps a media element on a live stream, whatever
// happens to the stream, the network or the tab (session.ts), through hls.js or the browser's own HLS (the two engines).
// video-page.ts and audio-page.ts are the entries that Vite builds; origin serves them. It calls nothing but the playlists'
// address. Starts with the page, ends with it.
export { LivePlayer } from './live-player.ts';
export type { EmbedOptions } from './options.ts';
export type { PlayerState } from './session.ts';
