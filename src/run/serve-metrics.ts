/** Counters of a server in the text format of Prometheus. */
export function createMetrics() {
  const started = Date.now();
  const requests = new Map<string, { count: number; seconds: number }>();
  return {
    count(path: string, status: number, seconds: number): void {
      const key = `path="${path.replace(/["\\\n]/g, '')}",status="${status}"`;
      const entry = requests.get(key) ?? { count: 0, seconds: 0 };
      // unknown paths share one row: nobody can fill the memory with them
      const row = status === 404 ? 'path="other",status="404"' : key;
      const kept = requests.get(row) ?? entry;
      kept.count++;
      kept.seconds += seconds;
      requests.set(row, kept);
    },
    text(waiting: number, running: number): string {
      const lines = [
        '# TYPE decant_requests_total counter',
        ...[...requests].map(([labels, r]) => `decant_requests_total{${labels}} ${r.count}`),
        '# TYPE decant_request_seconds_sum counter',
        ...[...requests].map(
          ([labels, r]) => `decant_request_seconds_sum{${labels}} ${r.seconds.toFixed(6)}`,
        ),
        '# TYPE decant_requests_waiting gauge',
        `decant_requests_waiting ${waiting}`,
        '# TYPE decant_requests_running gauge',
        `decant_requests_running ${running}`,
        '# TYPE decant_uptime_seconds gauge',
        `decant_uptime_seconds ${((Date.now() - started) / 1000).toFixed(0)}`,
      ];
      return `${lines.join('\n')}\n`;
    },
  };
}
