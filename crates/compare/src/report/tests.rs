//! A small report, and all that is made of it, to the last character.

use super::chart::{Kind, Panel, Shape};
use super::*;
use crate::machine::Version;

fn speeds(name: &str, samples: [f64; 3]) -> Speeds {
    Speeds { name: name.to_owned(), samples: samples.to_vec() }
}

fn small() -> Report {
    let speeds = [speeds("ours", [2.0, 4.0, 3.0]), speeds("<theirs>", [1.0, 2.0, 2.0])];
    let case = Case::new("seal, 64 B", Unit::Speed, &["to <theirs>"], &speeds, |row, _| {
        (row == 0).then_some(1)
    })
    .unwrap();
    let mut panel = Panel::new("seal", "GB/s", Shape::Lines);
    panel.add("64 B", [("ours", Kind::Ours, 3.0), ("<theirs>", Kind::Peer, 2.0)]);
    panel.add("256 B", [("ours", Kind::Ours, 4.0)]);
    let mut bars = Panel::new("size", "s", Shape::Bars);
    bars.add("1 KiB", [("14 rounds", Kind::Yardstick, 0.5)]);
    Report {
        machine: Machine {
            processor: "A & B".to_owned(),
            cores: 2,
            date: "2020-05-11 12:00 UTC".to_owned(),
            command: "strongroom-compare gcm".to_owned(),
            compiler: "rustc 1.2.3",
            rustcrypto: "hardware code",
            transparent_huge_pages: "madvise".to_owned(),
            load_before: "0.00".to_owned(),
            versions: vec![Version { name: "ring".to_owned(), version: "1.0.0".to_owned() }],
        },
        rounds: 3,
        cases: vec![case],
        notes: vec!["Few rounds.".to_owned()],
        chart: Chart { title: "Small".to_owned(), panels: vec![panel, bars] },
    }
}

/// Compares with the file in `golden/`, or writes it where `STRONGROOM_WRITE_GOLDEN` is set.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/golden").join(name);
    if std::env::var_os("STRONGROOM_WRITE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "{}", path.display());
}

#[test]
fn the_table_is_as_it_was() {
    let report = small();
    let mut text = table::head(&report);
    text += &table::case(&report.cases[0]);
    text += &table::notes(&report);
    golden("small.txt", &text);
}

#[test]
fn the_files_are_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (json, svg) = (folder.path().join("json"), folder.path().join("svg"));
    small().finish(Some(&json), Some(&svg)).unwrap();
    golden("small.json", &fs::read_to_string(json).unwrap());
    golden("small.svg", &fs::read_to_string(svg).unwrap());
}

#[test]
fn few_rounds_are_called_a_trial() {
    assert_eq!(Report::begin(ENOUGH, Chart::default()).notes.len(), 0);
    assert_eq!(Report::begin(ENOUGH - 1, Chart::default()).notes.len(), 1);
}

#[test]
fn a_series_has_a_value_or_a_gap_at_every_place() {
    let mut panel = Panel::new("seal", "GB/s", Shape::Lines);
    panel.add("1", [("a", Kind::Ours, 1.0)]);
    panel.add("2", [("b", Kind::Peer, 2.0)]);
    panel.add("3", [("a", Kind::Ours, 3.0), ("b", Kind::Peer, 4.0)]);
    let values: Vec<_> = panel.series.iter().map(|series| series.values.clone()).collect();
    assert_eq!(values, [[Some(1.0), None, Some(3.0)], [None, Some(2.0), Some(4.0)]]);
}
