import {
  AppShell,
  Burger,
  Button,
  Group,
  Menu,
  NavLink,
  SegmentedControl,
  Stack,
  Text,
  UnstyledButton,
  useMantineColorScheme,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { lazy, type ReactNode, Suspense, useEffect, useRef } from 'react';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';
import type { Environment } from '../../src/contract/index.ts';
import { root } from './api.ts';
import { Streams } from './pages/streams.tsx';
import { Badge } from './parts/badge.tsx';
import { Empty } from './parts/empty.tsx';
import { Icon, type IconName } from './parts/icons.tsx';
import { PageHead } from './parts/page-head.tsx';
import { useComplain } from './parts/toast.tsx';
import { useRole, useSeat } from './session.tsx';
import { useUpdates } from './updates.tsx';

const Stream = lazy(() => import('./pages/stream.tsx'));

/** The pages beside the live streams: `least` is the role that may see them. */
const PAGES = [
  { path: '/webhooks', label: 'Webhooks', icon: 'webhooks', page: lazy(() => import('./pages/webhooks.tsx')) },
  { path: '/events', label: 'Events', icon: 'events', page: lazy(() => import('./pages/events.tsx')) },
  { path: '/usage', label: 'Usage', icon: 'usage', page: lazy(() => import('./pages/usage.tsx')) },
  {
    path: '/tokens',
    label: 'Access tokens',
    icon: 'tokens',
    page: lazy(() => import('./pages/tokens.tsx')),
    least: 'admin',
  },
  { path: '/members', label: 'Members', icon: 'members', page: lazy(() => import('./pages/members.tsx')) },
  { path: '/status', label: 'Status', icon: 'status', page: lazy(() => import('./pages/status.tsx')), least: 'owner' },
  { path: '/changelog', label: 'Changelog', icon: 'changelog', page: lazy(() => import('./pages/changelog.tsx')) },
  {
    path: '/account',
    label: 'Account',
    icon: 'account',
    page: lazy(() => import('./pages/account.tsx')),
    hidden: true,
  },
] as const satisfies readonly {
  path: string;
  label: string;
  icon: IconName;
  page: unknown;
  least?: 'admin' | 'owner';
  hidden?: true;
}[];

/** Navigation, and the page that the address names. */
export function Shell(): ReactNode {
  const [opened, nav] = useDisclosure(false);
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const { organization } = useSeat();
  const shown = useRef(path);
  // Who follows a link by keyboard or screen reader goes on where the new page begins.
  useEffect(() => {
    if (shown.current.split('/').slice(0, 3).join('/') !== path.split('/').slice(0, 3).join('/')) {
      main.current?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    shown.current = path;
    nav.close();
  }, [path, nav.close]);
  return (
    <AppShell
      navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      header={{ height: { base: 52, sm: 0 } }}
      padding={{ base: 'md', sm: 'xl' }}
    >
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <AppShell.Header hiddenFrom="sm" px="md">
        <Group h="100%" justify="space-between">
          <Brand />
          <Burger opened={opened} onClick={nav.toggle} size="sm" aria-label="Navigation" aria-expanded={opened} />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" aria-label="Main">
        <Navigation />
      </AppShell.Navbar>
      <AppShell.Main id="main" ref={main} tabIndex={-1}>
        <Lost />
        <div className="page">
          <Suspense fallback={<PageHead title="…" />}>{organization ? <Pages /> : <NoOrganization />}</Suspense>
        </div>
      </AppShell.Main>
    </AppShell>
  );
}

const Pages = () => (
  <Switch>
    <Route path="/">
      <Streams />
    </Route>
    <Route path="/streams">
      <Redirect to="/" replace />
    </Route>
    <Route path="/streams/:id/:tab?">{({ id, tab }) => <Stream key={id} id={id} tab={tab ?? 'overview'} />}</Route>
    {PAGES.map(({ path, page: Page }) => (
      <Route key={path} path={`${path}/*?`}>
        <Page />
      </Route>
    ))}
    <Route>
      <PageHead title="There is no such page" lead={<Link href="/">To the live streams</Link>} />
    </Route>
  </Switch>
);

const NoOrganization = () => {
  const [path] = useLocation();
  const Account = PAGES.at(-1)!.page;
  if (path.startsWith('/account')) return <Account />;
  return (
    <Empty
      title="You are in no organization"
      text="Live streams belong to organizations. Make one under Account, or open the invitation that somebody has sent you."
    >
      <Button component={Link} href="/account">
        To your account
      </Button>
    </Empty>
  );
};

const Brand = () => (
  <Link href="/" className="brand" aria-label="LiveAPI: live streams">
    <i aria-hidden="true" />
    LiveAPI
  </Link>
);

function Navigation(): ReactNode {
  const [path] = useLocation();
  const { admin, owner } = useRole();
  const may = { admin, owner };
  const item = (href: string, label: string, icon: IconName, active: boolean) => (
    <NavLink
      key={href}
      component={Link}
      href={href}
      label={label}
      leftSection={<Icon name={icon} />}
      active={active}
      aria-current={active ? 'page' : undefined}
      className="nav-link"
    />
  );
  return (
    <>
      <AppShell.Section visibleFrom="sm" px={10} pt={6} pb="md">
        <Brand />
      </AppShell.Section>
      <AppShell.Section pb="sm">
        <Place />
      </AppShell.Section>
      <AppShell.Section grow component="nav" aria-label="Pages" className="nav-pages">
        {item('/', 'Live streams', 'live', path === '/' || path.startsWith('/streams'))}
        {PAGES.filter((page) => !('hidden' in page) && (!('least' in page) || may[page.least])).map((page) =>
          item(page.path, page.label, page.icon, path.startsWith(page.path)),
        )}
        <NavLink
          href={`${root.pathname}reference`}
          target="_blank"
          label="API reference"
          leftSection={<Icon name="reference" />}
          rightSection={<Icon name="external" size={13} />}
          className="nav-link"
        />
      </AppShell.Section>
      <AppShell.Section>
        <Person />
      </AppShell.Section>
    </>
  );
}

/** In which organization and environment everything on the page is. */
function Place(): ReactNode {
  const { session, organization, environment, choose } = useSeat();
  if (!organization) return null;
  return (
    <Stack gap={6}>
      <Menu position="bottom-start" width={220} shadow="md">
        <Menu.Target>
          <UnstyledButton className="place" aria-label={`Organization: ${organization.name}`}>
            <span className="clip">{organization.name}</span>
            <Icon name="down" size={15} />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Organizations</Menu.Label>
          {session.organizations.map(({ _id, name, role }) => (
            <Menu.Item
              key={_id}
              onClick={() => choose(_id, environment)}
              leftSection={_id === organization._id ? <Icon name="check" size={15} /> : <span className="icon-gap" />}
            >
              <span className="clip">{name}</span>
              <Text size="xs" c="dimmed">
                {role}
              </Text>
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item component={Link} href="/account">
            Manage organizations
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <SegmentedControl
        size="xs"
        fullWidth
        aria-label="Environment"
        value={environment}
        onChange={(value) => choose(organization._id, value as Environment)}
        data={[
          { value: 'production', label: 'Production' },
          { value: 'development', label: 'Development' },
        ]}
      />
    </Stack>
  );
}

function Person(): ReactNode {
  const { session, signOut } = useSeat();
  const complain = useComplain();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const { name, email } = session.user;
  const schemes = [
    ['auto', 'As the system'],
    ['light', 'Light'],
    ['dark', 'Dark'],
  ] as const;
  return (
    <Menu position="top-start" width={220} shadow="md">
      <Menu.Target>
        <UnstyledButton className="place" aria-label={`Your account: ${name || email}`}>
          <Group gap={8} wrap="nowrap" className="clip">
            <Icon name="account" />
            <span className="clip">{name || email}</span>
          </Group>
          <Icon name="down" size={15} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} href="/account" leftSection={<Icon name="account" size={15} />}>
          Account
        </Menu.Item>
        <Menu.Label>Appearance</Menu.Label>
        {schemes.map(([scheme, label]) => (
          <Menu.Item
            key={scheme}
            closeMenuOnClick={false}
            onClick={() => setColorScheme(scheme)}
            leftSection={scheme === colorScheme ? <Icon name="check" size={15} /> : <span className="icon-gap" />}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<Icon name="signOut" size={15} />} onClick={() => signOut().catch(complain)}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** What is shown may be old. */
function Lost(): ReactNode {
  const { link } = useUpdates();
  return link === 'lost' ? (
    <div className="lost" role="status">
      <Badge tone="warn">The server does not answer: what you see may be old. It is tried again by itself.</Badge>
    </div>
  ) : null;
}
