// `/embed/player.js`: defines `<liveapi-player>` in the page that loads it, as video and as audio.
import { audioShell } from './audio-shell.ts';
import { LiveapiPlayer } from './index.ts';
import { videoShell } from './video-shell.ts';

LiveapiPlayer.shells.set('video', videoShell).set('audio', audioShell);
if (!customElements.get('liveapi-player')) customElements.define('liveapi-player', LiveapiPlayer);
