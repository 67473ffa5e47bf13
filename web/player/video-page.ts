import './page.css';
import './video.css';
import 'media-chrome/media-airplay-button';
import 'media-chrome/media-control-bar';
import 'media-chrome/media-controller';
import 'media-chrome/media-fullscreen-button';
import 'media-chrome/media-loading-indicator';
import 'media-chrome/media-mute-button';
import 'media-chrome/media-pip-button';
import 'media-chrome/media-play-button';
import 'media-chrome/media-volume-range';
import { LivePlayer } from './index.ts';

customElements.define('live-player', LivePlayer);
