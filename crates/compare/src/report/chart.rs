//! The chart of a report.

/// One panel or more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
}

/// A coordinate system: places from left to right, values upwards from zero.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) shape: Shape,
    pub(crate) places: Vec<String>,
    pub(crate) series: Vec<Series>,
}

/// Form in which values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A line a series, over places that have an order.
    Lines,
    /// A group of bars a place.
    Bars,
}

/// One contender.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// One a place; none where it was not measured.
    pub(crate) values: Vec<Option<f64>>,
}

/// Role of a contender in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Peer,
    Yardstick,
}

impl Panel {
    /// An empty panel.
    pub(crate) fn new(title: impl Into<String>, unit: &'static str, shape: Shape) -> Self {
        let (places, series) = (Vec::new(), Vec::new());
        Self { title: title.into(), unit, shape, places, series }
    }

    /// Adds a place with the medians of contenders; those not seen before get a series.
    pub(crate) fn add<'n>(
        &mut self,
        place: impl Into<String>,
        values: impl IntoIterator<Item = (&'n str, Kind, f64)>,
    ) {
        let before = self.places.len();
        self.places.push(place.into());
        for (name, kind, value) in values {
            let index = self.series.iter().position(|series| series.name == name);
            let index = index.unwrap_or_else(|| {
                let (name, values) = (name.to_owned(), vec![None; before]);
                self.series.push(Series { name, kind, values });
                self.series.len() - 1
            });
            self.series[index].values.push(Some(value));
        }
        for series in &mut self.series {
            series.values.resize(before + 1, None);
        }
    }
}
