import type { ChoiceKind } from './engine.ts';
import type { Playback } from './shell.ts';

const rates = [0.5, 0.75, 1, 1.25, 1.5, 2];

interface Group {
  readonly title: string;
  readonly items: readonly { readonly label: string; readonly chosen: boolean; choose(): void }[];
}

/** The menu behind the gear: quality, sound, captions and speed, each where there is something to choose. */
export class SettingsMenu {
  readonly #button: HTMLButtonElement;
  readonly #panel: HTMLElement;
  readonly #player: Playback;
  readonly #onToggle: (open: boolean) => void;
  #shown = '';

  /** @param onToggle told when the menu opens and closes */
  constructor(root: ParentNode, player: Playback, onToggle: (open: boolean) => void) {
    this.#button = root.querySelector<HTMLButtonElement>('.gear')!;
    this.#panel = root.querySelector<HTMLElement>('.menu')!;
    this.#player = player;
    this.#onToggle = onToggle;
    this.#button.addEventListener('click', () => this.#toggle(!this.#isOpen));
    this.#panel.addEventListener('keydown', (event) => this.#onKey(event));
    // The player's own keys must not act on what is meant for the menu.
    this.#panel.addEventListener('keyup', (event) => event.stopPropagation());
    root.addEventListener('pointerdown', (event) => {
      if (!event.composedPath().some((target) => target === this.#panel || target === this.#button))
        this.#toggle(false);
    });
  }

  /** Shows the gear where there is something to choose, and keeps an open menu true. */
  show(): void {
    const groups = this.#groups();
    this.#button.hidden = groups.length === 0 || !this.#player.options.buttons;
    if (this.#button.hidden) this.#toggle(false);
    if (this.#isOpen) this.#paint(groups);
  }

  get #isOpen(): boolean {
    return this.#button.getAttribute('aria-expanded') === 'true';
  }

  #groups(): Group[] {
    const { texts, options, media } = this.#player;
    const group = (kind: ChoiceKind, title: string, none: string | null, names: readonly string[]): Group => {
      const { labels, chosen } = this.#player.choice(kind);
      const item = (label: string, index: number) => ({
        label: names[index] ?? label,
        chosen: index === chosen,
        choose: () => this.#player.choose(kind, index),
      });
      const items = labels.map(item);
      return { title, items: none === null ? items : [{ ...item(none, -1), label: none }, ...items] };
    };
    const groups = [
      group('quality', texts.quality, texts.auto, []),
      group('audio', texts.audio, null, options.audioLabels),
      group('captions', texts.captions, texts.off, options.captionLabels),
    ].filter(({ items }, i) => items.length > (i === 0 ? 2 : 1));
    if (options.speed && this.#player.window) {
      const items = rates.map((rate) => ({
        label: `${rate}×`,
        chosen: media.playbackRate === rate,
        choose: () => this.#player.setRate(rate),
      }));
      groups.push({ title: texts.speed, items });
    }
    return groups;
  }

  #paint(groups: readonly Group[]): void {
    const wanted = JSON.stringify(groups);
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    const focused = this.#focused();
    this.#panel.replaceChildren(
      ...groups.map(({ title, items }) => {
        const group = document.createElement('div');
        group.setAttribute('role', 'group');
        group.setAttribute('aria-label', title);
        const heading = document.createElement('span');
        heading.className = 'heading';
        heading.setAttribute('aria-hidden', 'true');
        heading.textContent = title;
        const buttons = items.map(({ label, chosen, choose }) => {
          const button = document.createElement('button');
          button.type = 'button';
          button.tabIndex = -1;
          button.setAttribute('role', 'menuitemradio');
          button.setAttribute('aria-checked', String(chosen));
          button.textContent = label;
          button.addEventListener('click', () => {
            choose();
            this.#paint(this.#groups());
          });
          return button;
        });
        group.append(heading, ...buttons);
        return group;
      }),
    );
    if (focused >= 0) this.#items()[focused]?.focus();
  }

  #items(): HTMLButtonElement[] {
    return [...this.#panel.querySelectorAll('button')];
  }

  #focused(): number {
    const active = (this.#panel.getRootNode() as ShadowRoot).activeElement;
    return this.#items().indexOf(active as HTMLButtonElement);
  }

  #toggle(open: boolean): void {
    if (open !== this.#isOpen) this.#set(open);
  }

  #set(open: boolean): void {
    this.#panel.hidden = !open;
    this.#button.setAttribute('aria-expanded', String(open));
    this.#onToggle(open);
    if (!open) return;
    this.#shown = '';
    this.#paint(this.#groups());
    (this.#panel.querySelector<HTMLElement>('[aria-checked="true"]') ?? this.#items()[0])?.focus();
  }

  #onKey(event: KeyboardEvent): void {
    event.stopPropagation();
    const items = this.#items();
    const now = this.#focused();
    if (event.key === 'ArrowDown') items[(now + 1) % items.length]?.focus();
    else if (event.key === 'ArrowUp') items.at(now - 1)?.focus();
    else if (event.key === 'Home') items[0]?.focus();
    else if (event.key === 'End') items.at(-1)?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') {
      this.#toggle(false);
      this.#button.focus();
    } else return;
    event.preventDefault();
  }
}
