//! Medians, and two ways to say how two contenders compare.

use serde::Serialize;

/// The middle of `values`, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(middle.checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

/// One contender against another over the same rounds.
///
/// The rounds of a noisy machine are fast and slow together: the ratio within each round loses that
/// noise, so its median is the better figure. Where the two disagree, the machine was not quiet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Ratio {
    /// The median of the rounds' ratios.
    pub(crate) median_of_ratios: f64,
    /// The ratio of the two medians.
    pub(crate) ratio_of_medians: f64,
}

impl Ratio {
    /// `of` divided by `to`, sample by sample; `None` without samples.
    pub(crate) fn new(of: &[f64], to: &[f64]) -> Option<Self> {
        Some(Self {
            median_of_ratios: median(&quotients(of, to))?,
            ratio_of_medians: median(of)? / median(to)?,
        })
    }
}

/// `of` divided by `to`, round by round.
pub(crate) fn quotients(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[9.0, 1.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
        assert_eq!(median(&[1e9, 3.0, 2.0, 1.0, 2.5]), Some(2.5), "an outlier moves nothing");
    }

    #[test]
    fn a_ratio_is_taken_within_rounds_and_between_medians() {
        // The second round was half as fast for both: only the ratios within rounds stay 2.
        let ratio = Ratio::new(&[4.0, 2.0, 4.0], &[2.0, 1.0, 2.0]).unwrap();
        assert_eq!(ratio, Ratio { median_of_ratios: 2.0, ratio_of_medians: 2.0 });
        let ratio = Ratio::new(&[8.0, 1.0, 6.0], &[4.0, 2.0, 1.0]).unwrap();
        assert_eq!(ratio, Ratio { median_of_ratios: 2.0, ratio_of_medians: 3.0 });
        assert_eq!(Ratio::new(&[], &[]), None);
    }
}
