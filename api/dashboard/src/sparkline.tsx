import type { Stats } from "./api";
import { number } from "./format";

type Points = Stats["requests_per_second"];

// Sparkline draws requests per second with the refused ones below, on one scale.
export function Sparkline({ calls, refused }: { calls: Points; refused: Points }) {
  const w = 240;
  const h = 44;
  const top = Math.max(1, ...calls.map((p) => p.value)) * 1.1;
  const xy = (points: Points) => points.map((p, i) => `${((i / Math.max(1, points.length - 1)) * w).toFixed(1)},${(h - (p.value / top) * h).toFixed(1)}`);
  const line = xy(calls);
  const low = xy(refused);
  const peak = Math.max(0, ...calls.map((p) => p.value));
  return (
    <svg className="spark" viewBox={`0 0 ${w} ${h}`} preserveAspectRatio="none" role="img" aria-label={`Requests per second, last ${calls.length} points, at most ${number(peak)}`}>
      {line.length > 1 && (
        <>
          <polygon className="area" points={`0,${h} ${line.join(" ")} ${w},${h}`} />
          <polyline className="line" points={line.join(" ")} />
        </>
      )}
      {low.length > 1 && <polygon className="refused" points={`0,${h} ${low.join(" ")} ${w},${h}`} />}
    </svg>
  );
}
