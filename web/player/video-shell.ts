import { mountPasswordForm, passwordForm } from './password-form.ts';
import 'media-chrome/media-airplay-button';
import 'media-chrome/media-cast-button';
import 'media-chrome/media-control-bar';
import 'media-chrome/media-controller';
import 'media-chrome/media-fullscreen-button';
import 'media-chrome/media-loading-indicator';
import 'media-chrome/media-mute-button';
import 'media-chrome/media-pip-button';
import 'media-chrome/media-play-button';
import 'media-chrome/media-volume-range';
import 'media-chrome/lang/de.js';
import 'media-chrome/lang/es.js';
import 'media-chrome/lang/fr.js';
import 'media-chrome/lang/pt.js';
import { setLanguage } from 'media-chrome/utils/i18n';
import common from './common.css?inline';
import { showScreen } from './screen.ts';
import { SettingsMenu } from './settings-menu.ts';
import { type Playback, type Shell, write } from './shell.ts';
import { Timeline } from './timeline.ts';
import css from './video.css?inline';

// Hidden is what nobody has asked for yet; `noautohide` keeps what must be seen while the controls rest.
const markup = `
<media-controller
  defaultstreamtype="live" nomutedpref novolumepref nosubtitleslangpref
  hotkeys="noarrowleft noarrowright noj nol noc no&lt; no&gt; noshift+/"
>
  <slot name="media" slot="media"></slot>
  <div class="stage" slot="centered-chrome" noautohide>
    <img class="poster" alt="" hidden />
    <div class="message" role="status">
      <span class="beacon" aria-hidden="true"></span>
      <span class="message-title">%waiting%</span>
      <span class="message-text">%waitingText%</span>${passwordForm}
    </div>
    <span class="countdown" role="timer" aria-live="off"></span>
    <button class="start" type="button" aria-label="%playStream%" keysused="Enter Space">
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M8 5.2v13.6L19 12z" /></svg>
    </button>
  </div>
  <div class="top" slot="top-chrome" noautohide>
    <img class="logo" alt="" hidden />
    <span class="title"></span>
    <button class="unmute" type="button" keysused="Enter Space">
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9.5v5h3.3L12 19V5L7.3 9.5zM15.2 9.2l5.6 5.6m0-5.6-5.6 5.6" /></svg>
      %unmute%
    </button>
  </div>
  <media-loading-indicator slot="centered-chrome" noautohide loadingdelay="400"></media-loading-indicator>
  <div class="bottom">
    <div class="menu" role="menu" aria-label="%settings%" hidden></div>
    <input class="timeline" type="range" step="0.1" aria-label="%position%" hidden />
    <media-control-bar>
      <media-play-button notooltip></media-play-button>
      <media-mute-button notooltip></media-mute-button>
      <media-volume-range></media-volume-range>
      <button class="go-live" type="button" aria-label="%goLive%" keysused="Enter Space"><i aria-hidden="true"></i>%live%</button>
      <span class="clock" hidden></span>
      <span class="spring"></span>
      <button class="gear" type="button" aria-label="%settings%" aria-haspopup="menu" aria-expanded="false" keysused="Enter Space" hidden>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.5v5M8.5 14.5v5" /></svg>
      </button>
      <media-cast-button notooltip></media-cast-button>
      <media-airplay-button notooltip></media-airplay-button>
      <media-pip-button notooltip></media-pip-button>
      <media-fullscreen-button notooltip></media-fullscreen-button>
    </media-control-bar>
  </div>
</media-controller>`;

function mount(root: ShadowRoot, player: Playback): () => void {
  const showPasswordForm = mountPasswordForm(root, player);
  const { media, texts } = player;
  const find = <T extends HTMLElement>(selector: string) => root.querySelector<T>(selector)!;
  const controller = find('media-controller');
  setLanguage(player.language);
  controller.setAttribute('lang', player.language);
  controller.setAttribute('aria-label', texts.player);
  if (!media.hasAttribute('aria-label')) media.setAttribute('aria-label', texts.liveVideo);
  const timeline = new Timeline(root, player);
  // While the menu is open the controls stay.
  const menu = new SettingsMenu(root, player, (open) => controller.toggleAttribute('noautohide', open));

  find('.start').addEventListener('click', () => player.play());
  find('.go-live').addEventListener('click', () => player.goLive());
  find('.unmute').addEventListener('click', () => {
    media.muted = false;
    if (media.volume === 0) media.volume = 1;
  });
  controller.addEventListener('keydown', (event) => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (direction && !event.defaultPrevented && timeline.step(direction)) event.preventDefault();
  });

  const picture = (selector: string, url: string | null) => {
    const image = find<HTMLImageElement>(selector);
    image.hidden = url === null;
    if (url !== null && image.src !== url) image.src = url;
  };
  return () => {
    showPasswordForm();
    const { options } = player;
    controller.toggleAttribute('gesturesdisabled', !options.click);
    // What was begun and is paused shows its own picture.
    const begun = media.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    const covered = !begun || !['playing', 'connecting', 'away'].includes(player.state);
    picture('.poster', covered ? options.poster : null);
    picture('.logo', options.logo);
    write(root, '.title', options.title ?? '');
    find('media-play-button').hidden = !options.playButton;
    find('media-pip-button').hidden = !options.pip || !options.buttons;
    find('media-cast-button').hidden = !options.cast || !options.buttons;
    find('media-airplay-button').hidden = !options.airplay || !options.buttons;
    find('media-fullscreen-button').hidden = !options.fullscreen || !options.buttons;
    media.style.setProperty('--liveapi-cue-size', `${options.captionScale ?? 1}em`);
    media.style.setProperty('--liveapi-cue-color', options.captionColor ?? 'white');
    showScreen(root, player);
    timeline.show();
    menu.show();
  };
}

/** Video: media-chrome's buttons over the picture. */
export const videoShell: Shell = { markup, css: common + css, mount };
