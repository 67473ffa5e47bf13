import './page.css';
import { audioShell } from './audio-shell.ts';
import { openPage } from './page.ts';

openPage('audio', audioShell);
