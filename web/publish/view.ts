import type { Quality } from './support.ts';

/** The elements that somebody changes or listens to. */
export interface View {
  readonly root: HTMLElement;
  readonly form: HTMLFormElement;
  readonly fields: HTMLFieldSetElement;
  readonly key: HTMLInputElement;
  readonly picture: HTMLSelectElement;
  readonly camera: HTMLSelectElement;
  readonly microphone: HTMLSelectElement;
  readonly quality: HTMLSelectElement;
  readonly video: HTMLVideoElement;
  readonly meter: HTMLMeterElement;
  readonly status: HTMLElement;
  readonly notes: HTMLUListElement;
  readonly preview: HTMLButtonElement;
  readonly start: HTMLButtonElement;
  readonly stop: HTMLButtonElement;
  readonly numbers: HTMLElement;
  readonly bitrate: HTMLElement;
  readonly frameRate: HTMLElement;
  readonly dropped: HTMLElement;
}

const MARKUP = `
  <video class="publish-preview" muted playsinline hidden aria-label="Preview"></video>
  <p class="publish-status" role="status"></p>
  <label class="publish-level" hidden>Level <meter min="0" max="60" high="57" optimum="40"></meter></label>
  <dl class="publish-numbers" hidden>
    <div><dt>Bit rate</dt><dd data-part="bitrate"></dd></div>
    <div><dt>Pictures</dt><dd data-part="frame-rate"></dd></div>
    <div><dt>Left out</dt><dd data-part="dropped"></dd></div>
  </dl>
  <form novalidate>
    <fieldset disabled>
      <label data-part="key">Stream key
        <input name="key" type="password" autocomplete="off" spellcheck="false" placeholder="lv_…?password=…" />
      </label>
      <label>Picture
        <select name="picture">
          <option value="camera">Camera</option>
          <option value="screen">Screen or window</option>
          <option value="none">No picture, sound only</option>
        </select>
      </label>
      <label>Camera <select name="camera"></select></label>
      <label>Microphone <select name="microphone"></select></label>
      <label>Quality <select name="quality"></select></label>
    </fieldset>
    <div class="publish-buttons">
      <button type="button" name="preview" disabled>Show preview</button>
      <button type="button" name="start" hidden>Go live</button>
      <button type="button" name="stop" hidden>Stop</button>
    </div>
  </form>
  <ul class="publish-notes"></ul>`;

/** The page's elements, not yet in a document. `asksKey`: with a field for the stream key. */
export function buildView(asksKey: boolean, qualities: readonly Quality[]): View {
  const root = document.createElement('div');
  root.className = 'publish';
  root.innerHTML = MARKUP;
  const find = <E extends Element>(selector: string): E => root.querySelector<E>(selector)!;
  const view: View = {
    root,
    form: find('form'),
    fields: find('fieldset'),
    key: find('[name=key]'),
    picture: find('[name=picture]'),
    camera: find('[name=camera]'),
    microphone: find('[name=microphone]'),
    quality: find('[name=quality]'),
    video: find('video'),
    meter: find('meter'),
    status: find('[role=status]'),
    notes: find('.publish-notes'),
    preview: find('[name=preview]'),
    start: find('[name=start]'),
    stop: find('[name=stop]'),
    numbers: find('.publish-numbers'),
    bitrate: find('[data-part=bitrate]'),
    frameRate: find('[data-part=frame-rate]'),
    dropped: find('[data-part=dropped]'),
  };
  // The attribute counts only in documents that were parsed whole.
  view.video.muted = true;
  find<HTMLElement>('[data-part=key]').hidden = !asksKey;
  view.quality.replaceChildren(...qualities.map(({ name }, index) => new Option(name, String(index))));
  view.quality.value = '1';
  // Phones share no screen.
  if (!('getDisplayMedia' in (navigator.mediaDevices ?? {})))
    find<HTMLOptionElement>('option[value=screen]').disabled = true;
  return view;
}

/** Lists the devices anew, and keeps what is chosen where it is still there. */
export function showDevices({ camera, microphone }: View, devices: readonly MediaDeviceInfo[]): void {
  fill(camera, 'Camera', ofKind(devices, 'videoinput'), []);
  fill(microphone, 'Microphone', ofKind(devices, 'audioinput'), [new Option('No microphone', 'none')]);
}

const ofKind = (devices: readonly MediaDeviceInfo[], kind: MediaDeviceKind) =>
  devices.filter((device) => device.kind === kind && device.deviceId !== '');

function fill(
  select: HTMLSelectElement,
  name: string,
  devices: readonly MediaDeviceInfo[],
  others: readonly HTMLOptionElement[],
): void {
  const chosen = select.value;
  const options = devices.map(({ label, deviceId }, index) => new Option(label || `${name} ${index + 1}`, deviceId));
  select.replaceChildren(new Option("The browser's choice", ''), ...options, ...others);
  select.value = [...select.options].some(({ value }) => value === chosen) ? chosen : '';
}
