//! A chart as SVG, for people: labels at the ends, a grid to read values from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Report;
use super::chart::{Kind, Panel, Series, Shape};

const WIDTH: f64 = 960.0;
const PANEL: f64 = 400.0;
const HEAD: f64 = 84.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 350.0;

/// Colours of peers, far apart for eyes that tell few apart as well (Okabe and Ito's palette).
const COLOURS: [&str; 7] =
    ["#0072b2", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#8c6d1f", "#6a51a3"];
/// Strongroom's, fastest tier first.
const OURS: [&str; 4] = ["#d62728", "#ff7f0e", "#8b0000", "#e377c2"];
/// Those of yardsticks.
const GREYS: [&str; 4] = ["#888", "#222", "#bbb", "#555"];

/// The report's chart.
pub(super) fn document(report: &Report) -> String {
    let chart = &report.chart;
    let height = HEAD + PANEL * number(chart.panels.len());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let machine = &report.machine;
    text(&mut svg, 16.0, 28.0, "font-size=\"18\" font-weight=\"bold\"", &chart.title);
    let about = format!(
        "{}, {}; {}; medians of {} interleaved rounds",
        machine.processor, machine.date, machine.compiler, report.rounds
    );
    text(&mut svg, 16.0, 48.0, "fill=\"#444\"", &about);
    text(&mut svg, 16.0, 66.0, "fill=\"#444\" font-size=\"11\"", &machine.versions_line());
    let colours = colours(&chart.panels);
    for (index, panel) in chart.panels.iter().enumerate() {
        let y = HEAD + PANEL * number(index);
        push(&mut svg, &format!("<g transform=\"translate(0 {y})\">\n"));
        draw(&mut svg, panel, &colours);
        push(&mut svg, "</g>\n");
    }
    push(&mut svg, "</svg>\n");
    svg
}

/// The colour of every contender, the same in all panels.
fn colours(panels: &[Panel]) -> BTreeMap<&str, &'static str> {
    let mut colours = BTreeMap::new();
    let (mut ours, mut peers, mut yardsticks) = (0, 0, 0);
    for series in panels.iter().flat_map(|panel| &panel.series) {
        let next = |palette: &[&'static str], used: &mut usize| {
            *used += 1;
            palette[(*used - 1) % palette.len()]
        };
        colours.entry(series.name.as_str()).or_insert_with(|| match series.kind {
            Kind::Ours => next(&OURS, &mut ours),
            Kind::Yardstick => next(&GREYS, &mut yardsticks),
            Kind::Peer => next(&COLOURS, &mut peers),
        });
    }
    colours
}

fn draw(svg: &mut String, panel: &Panel, colours: &BTreeMap<&str, &'static str>) {
    let values = panel.series.iter().flat_map(|series| series.values.iter().flatten());
    let greatest = values.copied().fold(0.0, f64::max);
    let step = grid_step(greatest);
    let top = (greatest / step).ceil().max(1.0) * step;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / top;

    text(svg, LEFT, 20.0, "font-weight=\"bold\"", &format!("{}, {}", panel.title, panel.unit));
    let mut value = 0.0;
    while value <= top + step / 2.0 {
        let at = y(value);
        push(
            svg,
            &format!(
                "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"#ddd\"/>\n<text x=\"{}\" y=\"{:.1}\" \
                 text-anchor=\"end\" fill=\"#444\">{}</text>\n",
                LEFT - 6.0,
                at + 4.0,
                short(value)
            ),
        );
        value += step;
    }
    let wide = (RIGHT - LEFT) / number(panel.places.len().max(1));
    let middle = |place: usize| LEFT + wide * (number(place) + 0.5);
    for (place, name) in panel.places.iter().enumerate() {
        let attributes = "text-anchor=\"middle\" fill=\"#444\"";
        text(svg, middle(place), BOTTOM + 18.0, attributes, name);
    }
    for (index, series) in panel.series.iter().enumerate() {
        let colour = colours.get(series.name.as_str()).copied().unwrap_or(OURS[0]);
        match panel.shape {
            Shape::Lines => line(svg, series, colour, &middle, &y),
            Shape::Bars => bars(svg, series, colour, index, panel.series.len(), wide, &y),
        }
        let at = TOP + 8.0 + 20.0 * number(index);
        let (dash, stroke) = match panel.shape {
            Shape::Lines => (dash(series.kind), 3),
            Shape::Bars => ("", 10),
        };
        push(
            svg,
            &format!(
                "<path d=\"M{} {at}h22\" stroke=\"{colour}\" stroke-width=\"{stroke}\"{dash}/>\n",
                RIGHT + 14.0
            ),
        );
        text(svg, RIGHT + 42.0, at + 4.0, "", &series.name);
    }
}

fn line(
    svg: &mut String,
    series: &Series,
    colour: &str,
    x: &dyn Fn(usize) -> f64,
    y: &dyn Fn(f64) -> f64,
) {
    let width = if series.kind == Kind::Ours { 3 } else { 2 };
    let mut points = String::new();
    for (place, value) in series.values.iter().enumerate() {
        if let Some(value) = value {
            let (x, y) = (x(place), y(*value));
            push(&mut points, &format!("{x:.1},{y:.1} "));
            if series.kind != Kind::Yardstick {
                push(
                    svg,
                    &format!(
                        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\" fill=\"{colour}\"><title>{}: {}\
                         </title></circle>\n",
                        width + 1,
                        escaped(&series.name),
                        short(*value)
                    ),
                );
            }
        }
    }
    push(
        svg,
        &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{}/>\n",
            points.trim_end(),
            dash(series.kind)
        ),
    );
}

fn bars(
    svg: &mut String,
    series: &Series,
    colour: &str,
    index: usize,
    of: usize,
    wide: f64,
    y: &dyn Fn(f64) -> f64,
) {
    let bar = wide * 0.86 / number(of);
    for (place, value) in series.values.iter().enumerate() {
        if let Some(value) = value {
            let x = LEFT + wide * (number(place) + 0.07) + bar * number(index);
            let top = y(*value);
            push(
                svg,
                &format!(
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
                     fill=\"{colour}\"/>\n",
                    bar * 0.92,
                    BOTTOM - top
                ),
            );
            let attributes = "text-anchor=\"middle\" font-size=\"10\"";
            text(svg, x + bar * 0.46, top - 3.0, attributes, &short(*value));
        }
    }
}

/// Yardsticks are dashed: nobody seals with them.
fn dash(kind: Kind) -> &'static str {
    if kind == Kind::Yardstick { " stroke-dasharray=\"6 4\"" } else { "" }
}

/// The distance of grid lines: 1, 2 or 5 times a power of ten, five to ten of them.
fn grid_step(greatest: f64) -> f64 {
    if greatest <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf((greatest / 5.0).log10().floor());
    let candidates = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    candidates.into_iter().rfind(|step| greatest / step >= 4.0).unwrap_or(power)
}

/// Three digits, without zeros behind the point.
fn short(value: f64) -> String {
    let text = if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, content: &str) {
    let space = if attributes.is_empty() { "" } else { " " };
    let content = escaped(content);
    push(svg, &format!("<text x=\"{x:.1}\" y=\"{y:.1}\"{space}{attributes}>{content}</text>\n"));
}

fn push(svg: &mut String, part: &str) {
    // A string takes whatever is written to it.
    let _ = svg.write_str(part);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A small count as a coordinate.
#[allow(clippy::cast_precision_loss, reason = "panels, places and bars are few")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_few_round_lines() {
        for (greatest, step) in [(10.0, 2.0), (9.9, 2.0), (4.0, 1.0), (0.9, 0.2), (27.0, 5.0)] {
            assert!((grid_step(greatest) - step).abs() < 1e-12, "{greatest}");
        }
    }
}
