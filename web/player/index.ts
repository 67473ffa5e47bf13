// The player: `<liveapi-player>`, a custom element that keeps a media element on a live stream, whatever happens to the stream,
// the network or the tab (session.ts), through hls.js or the browser's own HLS (the two engines), in one of two dresses
// (video-shell.ts, audio-shell.ts). Entries that Vite builds and origin serves: define.ts is the script for pages of other people
// (`/embed/player.js`), video-page.ts and audio-page.ts the pages behind embed_url and embed_audio_url. It calls the playlists'
// address and its server's `/embed/beacon`. Starts when the element is put into a page, ends when it is taken out.
export type { Choice, ChoiceKind } from './engine.ts';
export { LiveapiPlayer } from './liveapi-player.ts';
export type { PlayerOptions } from './options.ts';
export type { Refusal } from './probe.ts';
export type { PlayerEventName, PlayerEvents } from './reporter.ts';
export type { PlayerState } from './session.ts';
