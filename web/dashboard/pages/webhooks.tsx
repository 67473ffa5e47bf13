import { Button, Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link, useRoute } from 'wouter';
import type { NewWebhookEndpoint, WebhookEndpointList } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Empty } from '../parts/empty.tsx';
import { timeOf } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { type Column, Listing, Pages } from '../parts/listing.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';
import { useReread } from '../parts/use-reread.ts';
import { Endpoint } from '../webhooks/endpoint.tsx';
import { EndpointForm } from '../webhooks/endpoint-form.tsx';
import { SecretOnce } from '../webhooks/secret-once.tsx';
import { EndpointBadge } from '../webhooks/state-badge.tsx';

const COLUMNS: readonly Column[] = [
  { title: 'Endpoint' },
  { title: 'Is told', as: 'wide' },
  { title: 'Last attempt', as: 'wide' },
  { title: 'State' },
];

/** Addresses that are told what happens; below `/webhooks/<id>` one of them. */
export default function Webhooks(): ReactNode {
  const [one, params] = useRoute<{ id: string }>('/webhooks/:id');
  return one ? <Endpoint key={params.id} id={params.id} /> : <Endpoints />;
}

function Endpoints(): ReactNode {
  const [page, setPage] = useState(1);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<NewWebhookEndpoint | null>(null);
  const reread = useReread('webhook_endpoints');
  const query = useQuery({
    queryKey: ['webhook_endpoints', 'list', page],
    queryFn: () => api.get<WebhookEndpointList>('webhook_endpoints', { page, limit: 50 }),
  });
  const button = (
    <Button leftSection={<Icon name="plus" size={16} />} onClick={() => setMaking(true)}>
      New endpoint
    </Button>
  );
  return (
    <>
      <PageHead title="Webhooks" lead="Your server is told what happens, signed, in order, and again until it answers.">
        {query.data?.total !== 0 && button}
      </PageHead>
      <Loaded query={query}>
        {({ docs, pages }) =>
          docs.length === 0 && page === 1 ? (
            <Empty
              title="Nobody is told yet"
              text="A webhook endpoint is a URL of yours. When a live stream goes online, an encoder is lost or a platform fails, it gets a signed POST within a second; what it does not accept is tried again for three days."
            >
              {button}
            </Empty>
          ) : (
            <>
              <Listing label="Webhook endpoints" columns={COLUMNS}>
                {docs.map((endpoint) => (
                  <Table.Tr key={endpoint._id}>
                    <Table.Td>
                      <Link href={`/webhooks/${endpoint._id}`} className="opens">
                        {endpoint.name || endpoint.url}
                      </Link>
                      {endpoint.name && <span className="soft-line">{endpoint.url}</span>}
                    </Table.Td>
                    <Table.Td className="wide">
                      {endpoint.events.length === 0
                        ? 'everything'
                        : `${endpoint.events.length} ${endpoint.events.length === 1 ? 'event' : 'events'}`}
                    </Table.Td>
                    <Table.Td className="wide">
                      {endpoint.last_delivery ? timeOf(endpoint.last_delivery.time) : 'none yet'}
                    </Table.Td>
                    <Table.Td>
                      <EndpointBadge endpoint={endpoint} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Listing>
              <Pages pages={pages} page={page} turn={setPage} />
            </>
          )
        }
      </Loaded>
      {making && <EndpointForm close={() => setMaking(false)} made={setMade} changed={reread} />}
      {made && <SecretOnce endpoint={made} close={() => setMade(null)} />}
    </>
  );
}
