import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

/** Each look wakes the process: fifty a second cost an idle server more than all else. */
const RESOLUTION_MS = 100;

/** The process itself: CPU, memory, and how late its event loop runs. Returns what ends the measuring. */
export function addProcessMetrics(registry: Registry): () => void {
  const registers = [registry];
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  new Gauge({ name: 'process_start_time_seconds', help: 'Start of the process, Unix time.', registers }).set(
    Math.round(Date.now() / 1000 - process.uptime()),
  );
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  // In the order in which they are read: the first one asks for all three.
  new Gauge({
    name: 'nodejs_heap_used_bytes',
    help: 'Live objects of the heap.',
    registers,
    collect() {
      const { rss, heapUsed, external: outside } = process.memoryUsage();
      this.set(heapUsed);
      external.set(outside);
      resident.set(rss);
    },
  });
  const external = new Gauge({ name: 'nodejs_external_memory_bytes', help: 'Buffers outside of the heap.', registers });
  const resident = new Gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory.', registers });
  new Gauge({
    name: 'nodejs_eventloop_delay_seconds',
    help: 'How late the event loop was since the last time that these metrics were read.',
    labelNames: ['quantile'],
    registers,
    collect() {
      // The histogram holds whole intervals of its timer: what is beyond the interval is the delay.
      const seconds = (ns: number) => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
      if (delay.count > 0) {
        for (const quantile of [50, 90, 99])
          this.set({ quantile: quantile / 100 }, seconds(delay.percentile(quantile)));
        this.set({ quantile: 1 }, seconds(delay.max));
      }
      delay.reset();
    },
  });
  return () => delay.disable();
}
