import css from './audio.css?inline';
import common from './common.css?inline';
import { LevelMeter } from './level-meter.ts';
import { mountPasswordForm, passwordForm } from './password-form.ts';
import { showScreen } from './screen.ts';
import { type Playback, type Shell, write } from './shell.ts';

const markup = `
<div class="root" role="region" aria-label="%liveAudio%">
  <img class="poster" alt="" hidden />
  <canvas class="meter" aria-hidden="true"></canvas>
  <button class="toggle" type="button" aria-label="%play%">
    <svg class="icon-play" viewBox="0 0 24 24" aria-hidden="true"><path d="M8 5.2v13.6L19 12z" /></svg>
    <svg class="icon-pause" viewBox="0 0 24 24" aria-hidden="true"><path d="M7 5.5h3.6v13H7zm6.4 0H17v13h-3.6z" /></svg>
  </button>
  <div class="words">
    <button class="go-live" type="button" aria-label="%goLive%"><i aria-hidden="true"></i>%live%</button>
    <div class="message" role="status">
      <span class="message-title">%waiting%</span>
      <span class="message-text">%waitingText%</span>${passwordForm}
    </div>
    <span class="countdown" role="timer" aria-live="off"></span>
    <span class="on-air"></span>
  </div>
  <div class="loudness">
    <button class="mute" type="button" aria-label="%mute%" aria-pressed="false">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path class="speaker" d="M4 9.5v5h3.3L12 19V5L7.3 9.5z" />
        <path class="waves" d="M15 9.2a4 4 0 0 1 0 5.6M17.6 6.6a7.6 7.6 0 0 1 0 10.8" />
        <path class="cross" d="m15.2 9.2 5.6 5.6m0-5.6-5.6 5.6" />
      </svg>
    </button>
    <input class="volume" type="range" min="0" max="1" step="0.02" value="1" aria-label="%volume%" />
  </div>
</div>`;

function mount(root: ShadowRoot, player: Playback): () => void {
  const showPasswordForm = mountPasswordForm(root, player);
  const { media, texts } = player;
  const find = <T extends HTMLElement>(selector: string) => root.querySelector<T>(selector)!;
  const toggle = find<HTMLButtonElement>('.toggle');
  const mute = find<HTMLButtonElement>('.mute');
  const volume = find<HTMLInputElement>('.volume');
  const cover = find<HTMLImageElement>('.poster');
  const meter = new LevelMeter(find<HTMLCanvasElement>('.meter'), media);
  toggle.addEventListener('click', () => (media.paused ? player.play() : media.pause()));
  find('.go-live').addEventListener('click', () => player.goLive());
  mute.addEventListener('click', () => {
    media.muted = !media.muted;
  });
  volume.addEventListener('input', () => {
    media.volume = volume.valueAsNumber;
    media.muted = false;
  });
  document.addEventListener('keydown', (event) => {
    // Where the page has other things to do with its keys, they are the player's only inside of it.
    if (event.target !== document.body || !root.host.hasAttribute('data-page')) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === ' ' || event.key === 'k') toggle.click();
    else if (event.key === 'm') mute.click();
    else return;
    event.preventDefault();
  });

  let shown = '';
  return () => {
    showPasswordForm();
    const { options } = player;
    const title = options.title ?? texts.liveAudio;
    toggle.setAttribute('aria-label', media.paused ? texts.play : texts.pause);
    mute.setAttribute('aria-pressed', String(media.muted));
    volume.value = String(media.muted ? 0 : media.volume);
    volume.style.setProperty('--level', volume.value);
    write(root, '.on-air', title);
    cover.hidden = options.poster === null;
    root.host.toggleAttribute('data-cover', options.poster !== null);
    if (options.poster !== null && cover.src !== options.poster) cover.src = options.poster;
    showScreen(root, player);
    const playing = player.state === 'playing' && !media.paused;
    if (shown === `${playing} ${title} ${options.poster}`) return;
    shown = `${playing} ${title} ${options.poster}`;
    meter.run(playing);
    offerMediaKeys(player, title);
  };
}

/** What the lock screen and the keyboard's media keys show and do. */
function offerMediaKeys(player: Playback, title: string): void {
  if (!('mediaSession' in navigator)) return;
  const artwork = player.options.poster ? [{ src: player.options.poster }] : [];
  navigator.mediaSession.metadata = new MediaMetadata({ title, artist: location.hostname, artwork });
  navigator.mediaSession.setActionHandler('play', () => player.play());
  navigator.mediaSession.setActionHandler('pause', () => player.media.pause());
}

/** Sound: one row in a small frame, a column with its level where there is room. */
export const audioShell: Shell = { markup, css: common + css, mount };
