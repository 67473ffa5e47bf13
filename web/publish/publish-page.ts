import '../account/account.css';
import { mountPublisher } from './index.ts';

// Behind `#`, which browsers send to nobody. A key that cannot be read is asked for.
function keyFromAddress(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
}

const key = keyFromAddress();
// It is a secret: not left in the address, where the screen that is shared may show it.
if (key) history.replaceState(null, '', location.pathname);
// The page stands at {public_url}/dashboard/publish.
const publishUrl = new URL('../publish', location.href);
publishUrl.protocol = publishUrl.protocol.replace('http', 'ws');
mountPublisher(document.querySelector<HTMLElement>('#publisher')!, { publishUrl: publishUrl.href, key });
