import { FrameMessages } from './frame-messages.ts';
import { LiveapiPlayer, type PlayerEventName } from './index.ts';
import { queryAttributes } from './options.ts';
import type { Shell } from './shell.ts';

const events: readonly PlayerEventName[] = ['statechange', 'playstart', 'watch', 'stall', 'playerror', 'playend'];

/** An embedded page: the element in the document, with the address's parameters as its attributes, and messages to the page around. */
export function openPage(kind: 'video' | 'audio', shell: Shell): void {
  const player = document.querySelector<LiveapiPlayer>('liveapi-player')!;
  for (const [name, value] of queryAttributes(location.search)) player.setAttribute(name, value);
  LiveapiPlayer.shells.set(kind, shell);
  customElements.define('liveapi-player', LiveapiPlayer);
  document.documentElement.lang = player.language;
  const { title } = player.options;
  if (title) document.title = document.querySelector('h1')!.textContent = title;
  const messages = new FrameMessages(player.playbackId ?? '', player);
  messages.send('ready', {});
  for (const name of events) {
    player.addEventListener(name, ({ detail }) => {
      if (name !== 'watch' || player.options.reportWatch) messages.send(name, detail);
    });
  }
}
