import './page.css';
import { openPage } from './page.ts';
import { videoShell } from './video-shell.ts';

openPage('video', videoShell);
