import './page.css';
import './audio.css';
import { LivePlayer } from './index.ts';
import { LevelMeter } from './level-meter.ts';

const volumeKey = 'liveapi-volume';

customElements.define('live-player', LivePlayer);

const player = document.querySelector<LivePlayer>('live-player')!;
const media = player.media;
const find = <T extends Element>(selector: string) => player.querySelector<T>(selector)!;
const toggle = find<HTMLButtonElement>('.toggle');
const mute = find<HTMLButtonElement>('.mute');
const volume = find<HTMLInputElement>('.volume');
const meter = new LevelMeter(find<HTMLCanvasElement>('.meter'), media);

toggle.addEventListener('click', () => (media.paused ? player.play() : media.pause()));
mute.addEventListener('click', () => {
  media.muted = !media.muted;
});
volume.addEventListener('input', () => {
  media.volume = volume.valueAsNumber;
  media.muted = false;
  remember(volume.value);
});
document.addEventListener('keydown', (event) => {
  if (event.target !== document.body || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === ' ' || event.key === 'k') toggle.click();
  else if (event.key === 'm') mute.click();
  else return;
  event.preventDefault();
});
for (const type of ['play', 'pause', 'emptied', 'volumechange']) media.addEventListener(type, show);
player.addEventListener('statechange', show);

media.volume = recall();
show();
offerMediaKeys();

function show(): void {
  toggle.setAttribute('aria-label', media.paused ? 'Play' : 'Pause');
  mute.setAttribute('aria-pressed', String(media.muted));
  volume.value = String(media.muted ? 0 : media.volume);
  volume.style.setProperty('--level', volume.value);
  meter.run(player.state === 'playing' && !media.paused);
}

/** What the lock screen and the keyboard's media keys show and do. */
function offerMediaKeys(): void {
  if (!('mediaSession' in navigator)) return;
  navigator.mediaSession.metadata = new MediaMetadata({ title: document.title, artist: location.hostname });
  navigator.mediaSession.setActionHandler('play', () => player.play());
  navigator.mediaSession.setActionHandler('pause', () => media.pause());
}

// Storage is refused in a sandboxed frame and in some private windows: the volume is then simply not remembered.
function remember(value: string): void {
  try {
    localStorage.setItem(volumeKey, value);
  } catch {}
}

function recall(): number {
  try {
    const value = Number(localStorage.getItem(volumeKey) ?? 1);
    return value >= 0 && value <= 1 ? value : 1;
  } catch {
    return 1;
  }
}
