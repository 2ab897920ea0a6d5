// uPlot, dressed: few grid lines, one tip that says the figures under the cursor.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { moment } from "./format";

interface Line {
  label: string;
  values: (number | null)[];
  ink: string;
}

interface Look {
  width: number;
  height: number;
  axis: string;
  line: string;
  unit: string;
}

const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

function tip(lines: Line[], look: Look): uPlot.Plugin {
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  return {
    hooks: {
      init: (plot) => void plot.root.append(box),
      setCursor: (plot) => {
        const { idx, left } = plot.cursor;
        const at = idx == null ? undefined : plot.data[0][idx];
        box.hidden = at === undefined || (left ?? -1) < 0;
        if (box.hidden || idx == null || at === undefined) return;
        const figures = lines.map((line) => {
          const value = line.values[idx];
          return `${line.label}  ${value == null ? "–" : exact.format(value)}${look.unit}`;
        });
        box.textContent = [moment(new Date(at * 1000).toISOString()), ...figures].join("\n");
        const right = (left ?? 0) > look.width * 0.6;
        box.style.left = right ? "" : `${(left ?? 0) + 62}px`;
        box.style.right = right ? `${look.width - (left ?? 0) - 38}px` : "";
        box.style.top = "4px";
      },
    },
  };
}

const DAY_SECONDS = 86_400;
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const months = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });
const hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

function label(seconds: number, step: number): string {
  const at = new Date(seconds * 1000);
  // Among hours, midnight says which day begins.
  const isHour = step < DAY_SECONDS && at.getHours() + at.getMinutes() > 0;
  return (isHour ? hours : step < 28 * DAY_SECONDS ? days : months).format(at);
}

/** Draws; the answer takes the drawing away again. */
export function draw(place: HTMLElement, x: number[], lines: Line[], look: Look): uPlot {
  // The chart's own padding: the last label is centred under the last tick.
  const grid = { stroke: look.line, width: 1 };
  const font = "11px Inter, system-ui, sans-serif";
  const axis = { stroke: look.axis, font, ticks: { show: false }, gap: 6 };
  return new uPlot(
    {
      width: look.width,
      height: look.height,
      padding: [10, 22, 0, 0],
      plugins: [tip(lines, look)],
      cursor: { y: false, points: { size: 6 } },
      scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] } },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 64,
          values: (_, ticks, __, ___, step) => ticks.map((tick) => label(tick, step)),
        },
        { ...axis, grid, size: 46, values: (_, ticks) => ticks.map((tick) => short.format(tick)) },
      ],
      series: [
        {},
        ...lines.map((line, at) => ({
          label: line.label,
          stroke: line.ink,
          width: 1.75,
          points: { show: x.length < 3 },
          ...(at === 0 && lines.length === 1 ? { fill: fade(line.ink) } : {}),
        })),
      ],
    },
    [x, ...lines.map((line) => line.values)] as uPlot.AlignedData,
    place,
  );
}

function fade(colour: string): string {
  return colour.startsWith("rgb(") ? colour.replace("rgb(", "rgba(").replace(")", ", 0.10)") : colour;
}
